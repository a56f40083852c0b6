// The frame around every page of someone who is signed in: header, notices that concern the whole house, and the way to
// the sign-in page when the session is over.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouter, useRouterState } from "@tanstack/react-router";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, isReachable, onSessionOver, probe, subscribeReachable } from "@/api/client";
import { sessionQuery } from "@/api/queries";
import type { Session } from "@/api/types";
import { IconButton } from "@/ui/button";
import { Drawer } from "@/ui/dialog";
import { Cross, Menu } from "@/ui/icons";
import { PersonMenu, Places, Wordmark } from "@/ui/navigation";
import { Loading } from "@/ui/page";
import { ProblemNotice } from "@/ui/problem-notice";
import { RemovalToasts } from "@/ui/removal-toasts";

export function Shell() {
  const { t } = useTranslation();
  const session = useQuery(sessionQuery);
  const inChat = useRouterState({ select: (state) => state.location.pathname.startsWith("/c/") });
  const [drawer, setDrawer] = useState(false);
  const expired = useLeaveWhenSessionIsOver(session.data);
  return (
    <div className={`flex flex-col ${inChat ? "h-dvh" : "min-h-dvh"}`}>
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:start-2 focus:top-2 focus:z-50 focus:rounded-lg focus:bg-raised focus:px-4 focus:py-2">{t("nav.skip")}</a>
      <header className={`sticky top-0 z-30 h-14 shrink-0 items-center gap-2 border-b border-line bg-wall px-3 sm:px-5 md:gap-4 ${inChat ? "hidden md:flex" : "flex"}`}>
        <IconButton label={t("nav.menu")} className="lg:hidden" onClick={() => setDrawer(true)}><Menu /></IconButton>
        <Wordmark />
        <div className="hidden lg:block"><Places /></div>
        <div className="ms-auto"><PersonMenu /></div>
      </header>
      <Drawer open={drawer} onClose={() => setDrawer(false)} label={t("nav.menu")}>
        <div className="p-3"><Wordmark /></div>
        <div className="p-2"><Places upright onGo={() => setDrawer(false)} /></div>
      </Drawer>
      <ServerGone />
      {session.data && <Keepsake session={session.data} />}
      <main id="main" tabIndex={-1} className="min-h-0 flex-1 outline-none">
        {session.isPending && <div className="px-6"><Loading label={t("common.loading")} /></div>}
        {session.isError && <div className="mx-auto max-w-2xl p-6"><ProblemNotice problem={asProblem(session.error)} onRetry={() => void session.refetch()} /></div>}
        {session.data && !expired && <Outlet />}
      </main>
      {session.data && <RemovalToasts />}
    </div>
  );
}

/** Leads to the sign-in page, and remembers the way back. */
function useLeaveWhenSessionIsOver(session: Session | null | undefined): boolean {
  const router = useRouter();
  const queries = useQueryClient();
  const [expired, setExpired] = useState(false);
  useEffect(() => onSessionOver(() => {
    setExpired(true);
    queries.setQueryData(sessionQuery.queryKey, null);
  }), [queries]);
  useEffect(() => {
    if (session !== null) return;
    // Read here and not watched: the address changes on the way out, and that must not send the reader out again.
    const here = router.state.location.href;
    if (here.startsWith("/signin")) return;
    void router.navigate({ to: "/signin", search: { next: here === "/" ? undefined : here, expired: expired || undefined }, replace: true });
  }, [session, expired, router]);
  return expired && session === null;
}

/** How often a server that is gone is looked for, in milliseconds. */
const PROBE_MS = 3000;

function ServerGone() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const reachable = useSyncExternalStore(subscribeReachable, isReachable);
  useEffect(() => {
    if (reachable) return;
    const look = async () => {
      if (await probe()) await queries.refetchQueries({ predicate: (query) => query.state.status === "error" });
    };
    const timer = setInterval(() => void look(), PROBE_MS);
    return () => clearInterval(timer);
  }, [reachable, queries]);
  if (reachable) return null;
  return (
    <p role="status" data-testid="server-gone" className="flex items-center justify-center gap-3 border-b border-seal/35 bg-seal-wash px-4 py-2 text-sm">
      <span aria-hidden="true" className="size-2 animate-lamp rounded-full bg-brass" />
      {navigator.onLine ? t("server_gone.text") : t("server_gone.offline")}
    </p>
  );
}

/** Remembered until the browser is closed; afterwards a missing password is worth saying again. */
const DISMISSED = "parlour.keepsake.dismissed";

/** Someone who came in by the set-up link has no way back yet. */
function Keepsake({ session }: { session: Session }) {
  const { t } = useTranslation();
  const [dismissed, setDismissed] = useState(() => sessionStorage.getItem(DISMISSED) === "yes");
  const atAccount = useRouterState({ select: (state) => state.location.pathname === "/account" });
  if (session.user.has_password || dismissed || atAccount) return null;
  return (
    <div data-testid="set-password" className="flex items-center gap-3 border-b border-brass/50 bg-brass-wash px-4 py-1.5 text-sm sm:px-5">
      <p className="min-w-0 flex-1">
        {t("setup.banner")} <Link to="/account" className="font-medium underline decoration-brass underline-offset-4">{t("setup.banner_action")}</Link>
      </p>
      <IconButton label={t("common.dismiss")} onClick={() => { sessionStorage.setItem(DISMISSED, "yes"); setDismissed(true); }}><Cross /></IconButton>
    </div>
  );
}
