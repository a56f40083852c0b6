// The page behind the one-time link: it hands the token in and leads straight to the first conversation.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { assistantsQuery, sessionQuery } from "@/api/queries";
import { buttonClass } from "@/ui/button";
import { Bell } from "@/ui/icons";
import { Loading, useTitle } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";

export function SetupPage({ token }: { token: string }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const navigate = useNavigate();
  useTitle("");
  // A query, because it is asked once however often the page is drawn: the token works only once.
  const setup = useQuery({
    queryKey: ["use-setup-token", token],
    queryFn: () => request<unknown>("/api/v1/setup", { method: "POST", body: { token } }),
    enabled: token !== "", retry: false, staleTime: Infinity, gcTime: Infinity, refetchOnWindowFocus: false, refetchOnReconnect: false,
  });
  const done = setup.isSuccess;
  useEffect(() => {
    if (!done) return;
    void (async () => {
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
      const assistants = await queries.fetchQuery(assistantsQuery).catch(() => []);
      const first = assistants[0];
      // `replace`: going back must not hand in the used token again.
      if (first) await navigate({ to: "/c/$assistant", params: { assistant: first.name }, replace: true });
      else await navigate({ to: "/", replace: true });
    })();
  }, [done, navigate, queries]);
  const problem = setup.error ? asProblem(setup.error) : null;
  const used = problem !== null && [401, 404, 409, 410, 422].includes(problem.status);
  return (
    <Doorstep>
      {token === "" && <Words text={t("setup.no_token_text")} />}
      {token !== "" && !problem && <Loading label={t("setup.working")} />}
      {used && (
        <div role="alert">
          <h1 className="font-display text-2xl font-semibold">{t("setup.used_title")}</h1>
          <p className="mt-3 text-quiet">{t("setup.used_text")}</p>
          <Link to="/signin" className={buttonClass("primary", "mt-6")}>{t("setup.signin")}</Link>
        </div>
      )}
      {problem && !used && <ProblemNotice problem={problem} onRetry={() => void setup.refetch()} />}
    </Doorstep>
  );
}

/** The frame of the pages before one is in the house. */
export function Doorstep({ children }: { children: React.ReactNode }) {
  return (
    <div className="flex min-h-full flex-col items-center justify-center px-4 py-10">
      <div className="w-full max-w-md overflow-hidden rounded-2xl border border-line bg-raised shadow-desk">
        <div className="counter flex items-center justify-center gap-3 !border-t-0 !border-b-[3px] py-7 text-on-lacquer">
          <Bell className="size-10" />
          <span className="font-display text-3xl font-semibold tracking-tight">Parlour</span>
        </div>
        <div className="p-6 sm:p-8">{children}</div>
      </div>
    </div>
  );
}
