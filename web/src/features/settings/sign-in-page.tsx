// Sign-in by e-mail and password, and back to where the reader was.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { sessionQuery, setupQuery } from "@/api/queries";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { useTitle } from "@/ui/page";
import { ErrorNotice, ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";
import { safeNext } from "./safe-next";
import { Doorstep } from "./setup-page";

export function SignInPage({ next, expired }: { next?: string | undefined; expired: boolean }) {
  const { t } = useTranslation();
  const router = useRouter();
  const queries = useQueryClient();
  const setup = useQuery(setupQuery);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  useTitle(t("signin.submit"));
  const signIn = useMutation({
    mutationFn: () => request<unknown>("/api/v1/session", { method: "POST", body: { email: email.trim(), password } }),
    onSuccess: async () => {
      queries.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
      await queries.fetchQuery({ ...sessionQuery, staleTime: 0 });
      router.history.push(safeNext(next));
    },
  });
  const problem = signIn.error ? asProblem(signIn.error) : null;
  return (
    <Doorstep>
      <form className="space-y-4" onSubmit={(event) => { event.preventDefault(); signIn.mutate(); }}>
        <h1 className="font-display text-2xl font-semibold">{t("signin.title")}</h1>
        {expired && <p role="status" className="rounded-lg bg-brass-wash px-3 py-2 text-sm">{t("signin.expired")}</p>}
        {setup.data?.needed && <p role="status" className="rounded-lg bg-brass-wash px-3 py-2 text-sm"><Words text={t("signin.needs_setup")} /></p>}
        <Field label={t("signin.email")} type="email" autoComplete="username" required value={email} onChange={(event) => setEmail(event.target.value)} autoFocus />
        <Field label={t("signin.password")} type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        {problem && (problem.status === 401 ? (
          <ErrorNotice error={{ code: "signin", message: t("signin.wrong") }} />
        ) : <ProblemNotice problem={problem} />)}
        <Button type="submit" weight="primary" className="w-full" disabled={signIn.isPending}>
          {signIn.isPending ? t("signin.working") : t("signin.submit")}
        </Button>
      </form>
    </Doorstep>
  );
}
