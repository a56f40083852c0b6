// The page's addresses. Chat and run pages are fetched when first needed; the rest is small.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, Outlet } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { readSearch } from "@/api/retrieval-settings";
import { AssistantsPage } from "@/features/assistants";
import { AccountPage, SettingsPage, SetupPage, SignInPage } from "@/features/settings";
import { Button, buttonClass } from "@/ui/button";
import { PersonMenu } from "@/ui/navigation";
import { useTitle } from "@/ui/page";
import { Shell } from "./shell";

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Crash });

const outside = createRoute({ getParentRoute: () => root, id: "outside", component: Outside });
const setup = createRoute({
  getParentRoute: () => outside, path: "/setup",
  // The router reads a token of digits as a number; it must stay as it was written.
  validateSearch: (search: Record<string, unknown>) => ({ token: search["token"] === undefined ? "" : String(search["token"]) }),
  component: function Setup() {
    return <SetupPage token={setup.useSearch().token} />;
  },
});
const signIn = createRoute({
  getParentRoute: () => outside, path: "/signin",
  validateSearch: (search: Record<string, unknown>): { next?: string | undefined; expired?: boolean | undefined } => ({
    next: text(search["next"]), expired: search["expired"] === true || undefined,
  }),
  component: function SignIn() {
    const { next, expired } = signIn.useSearch();
    return <SignInPage next={next} expired={expired === true} />;
  },
});

const house = createRoute({ getParentRoute: () => root, id: "house", component: Shell });
const assistants = createRoute({ getParentRoute: () => house, path: "/", component: AssistantsPage });
const account = createRoute({ getParentRoute: () => house, path: "/account", component: AccountPage });
const chat = createRoute({
  getParentRoute: () => house, path: "/c/$assistant", component: lazyRouteComponent(() => import("./chat-route"), "ChatRoute"),
});
const nothing = () => null;
const newConversation = createRoute({ getParentRoute: () => chat, path: "/", component: nothing });
const oneConversation = createRoute({ getParentRoute: () => chat, path: "$conversation", component: nothing });
const runs = createRoute({
  getParentRoute: () => house, path: "/runs",
  validateSearch: (search: Record<string, unknown>): { status?: string | undefined; workflow?: string | undefined } => ({
    status: text(search["status"]), workflow: text(search["workflow"]),
  }),
  component: lazyRouteComponent(() => import("./run-routes"), "RunsRoute"),
});
const run = createRoute({
  getParentRoute: () => house, path: "/runs/$run", component: lazyRouteComponent(() => import("./run-routes"), "RunRoute"),
});
const workflows = createRoute({
  getParentRoute: () => house, path: "/workflows", component: lazyRouteComponent(() => import("@/features/workflows"), "WorkflowsPage"),
});
const waits = createRoute({
  getParentRoute: () => house, path: "/waits", component: lazyRouteComponent(() => import("@/features/waits"), "WaitsPage"),
});
const plugins = createRoute({
  getParentRoute: () => house, path: "/plugins", component: lazyRouteComponent(() => import("./plugin-routes"), "PluginsRoute"),
});
const plugin = createRoute({
  getParentRoute: () => house, path: "/plugins/$plugin", component: lazyRouteComponent(() => import("./plugin-routes"), "PluginRoute"),
});
const bases = createRoute({
  getParentRoute: () => house, path: "/knowledge", component: lazyRouteComponent(() => import("./knowledge-routes"), "BasesRoute"),
});
const base = createRoute({
  getParentRoute: () => house, path: "/knowledge/$name",
  validateSearch: (search: Record<string, unknown>): { add?: string | undefined } => ({ add: text(search["add"]) }),
  component: lazyRouteComponent(() => import("./knowledge-routes"), "BaseRoute"),
});
const baseDocument = createRoute({
  getParentRoute: () => house, path: "/knowledge/$name/documents/$document", component: lazyRouteComponent(() => import("./knowledge-routes"), "BaseDocumentRoute"),
});
const baseTest = createRoute({
  getParentRoute: () => house, path: "/knowledge/$name/test", validateSearch: readSearch, component: lazyRouteComponent(() => import("./knowledge-routes"), "BaseTestRoute"),
});
const baseSettings = createRoute({
  getParentRoute: () => house, path: "/knowledge/$name/settings", component: lazyRouteComponent(() => import("./knowledge-routes"), "BaseSettingsRoute"),
});
const settings = createRoute({ getParentRoute: () => house, path: "/settings", component: SettingsPage });
const help = createRoute({
  getParentRoute: () => house, path: "/help", component: lazyRouteComponent(() => import("@/features/help"), "HelpPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    outside.addChildren([setup, signIn]),
    house.addChildren([assistants, account, settings, chat.addChildren([newConversation, oneConversation]), runs, run, waits, workflows, bases, base, baseDocument, baseTest, baseSettings, plugins, plugin, help]),
  ]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function Outside() {
  return (
    <div className="flex min-h-dvh flex-col">
      <div className="flex justify-end p-3"><PersonMenu /></div>
      <main className="flex-1 pb-16"><Outlet /></main>
    </div>
  );
}

function NotFound() {
  const { t } = useTranslation();
  useTitle(t("not_found.title"));
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-6 text-center">
      <p aria-hidden="true" className="font-display text-7xl font-semibold text-brass">404</p>
      <h1 className="mt-4 font-display text-2xl font-semibold">{t("not_found.title")}</h1>
      <p className="mt-2 text-quiet">{t("not_found.text")}</p>
      <Link to="/" className={buttonClass("primary", "mt-6")}>{t("not_found.home")}</Link>
    </main>
  );
}

function Crash({ error }: { error: unknown }) {
  const { t } = useTranslation();
  return (
    <main role="alert" className="flex min-h-dvh flex-col items-center justify-center px-6 text-center">
      <h1 className="font-display text-2xl font-semibold">{t("crash.title")}</h1>
      <p className="mt-2 max-w-prose text-quiet">{t("crash.text")}</p>
      <pre className="mt-4 max-w-full overflow-auto rounded-lg bg-wash px-4 py-2 text-start font-mono text-xs">{error instanceof Error ? error.message : String(error)}</pre>
      <Button weight="primary" className="mt-6" onClick={() => location.reload()}>{t("crash.reload")}</Button>
    </main>
  );
}
