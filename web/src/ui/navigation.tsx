// The house's parts, for the header and for the drawer on a phone, and the menu of the person signed in.
import * as Dropdown from "@radix-ui/react-dropdown-menu";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { request } from "@/api/client";
import { removals } from "@/api/removals";
import { sessionQuery, waitsQuery } from "@/api/queries";
import { LANGUAGES, setLanguage } from "@/i18n";
import { Bell, Check, Person } from "./icons";
import { setTheme, THEMES, useTheme } from "./theme";

const PLACES = [
  { to: "/", label: "nav.assistants" },
  { to: "/workflows", label: "nav.workflows" },
  { to: "/runs", label: "nav.runs" },
  { to: "/waits", label: "nav.waits" },
  { to: "/knowledge", label: "nav.knowledge", needs: "manage" },
  { to: "/plugins", label: "nav.plugins", needs: "manage" },
  { to: "/help", label: "nav.help" },
] as const satisfies { to: string; label: string; needs?: string }[];

export function Wordmark() {
  return (
    <Link to="/" className="flex items-center gap-2 rounded-lg px-1 text-ink" aria-label="Parlour">
      <Bell className="size-7 text-lacquer dark:text-on-lacquer" />
      <span className="font-display text-xl font-semibold tracking-tight">Parlour</span>
    </Link>
  );
}

export function Places({ upright = false, onGo }: { upright?: boolean; onGo?: () => void }) {
  const { t } = useTranslation();
  const scopes = useQuery({ ...sessionQuery, enabled: false }).data?.scopes;
  // Somebody who may not see a place is not led to it. A server that does not say what they may shows them everything.
  const places = PLACES.filter((place) => !("needs" in place) || !scopes || scopes.includes(place.needs));
  return (
    <nav aria-label={t("nav.main")} className={upright ? "flex flex-col" : "flex items-center gap-1"}>
      {places.map((place) => (
        <Link key={place.to} to={place.to} activeOptions={{ exact: place.to === "/" }} {...(onGo ? { onClick: onGo } : {})}
          className="rounded-lg px-3 py-2 text-[0.94rem] whitespace-nowrap text-quiet transition-colors hover:bg-wash hover:text-ink"
          activeProps={{ className: "!text-ink font-medium", "aria-current": "page" }}>
          {t(place.label)}
          {place.to === "/waits" && <WaitsCount />}
        </Link>
      ))}
    </nav>
  );
}

/** How many questions are open. Whoever may not see them sees no number. */
function WaitsCount() {
  const { t } = useTranslation();
  const pages = useInfiniteQuery(waitsQuery).data?.pages ?? [];
  const count = pages.reduce((sum, page) => sum + page.items.length, 0);
  if (count === 0) return null;
  const more = Boolean(pages.at(-1)?.next_cursor);
  return (
    <span data-testid="waits-count" className="ms-1.5 inline-flex min-w-5 justify-center rounded-full bg-brass px-1.5 text-xs leading-5 font-medium text-[#2b2008] tabular-nums">
      <span aria-hidden="true">{count}{more && "+"}</span>
      <span className="sr-only">{t("waits.count", { count })}</span>
    </span>
  );
}

const ITEM =
  "flex cursor-pointer items-center justify-between gap-6 rounded-md px-3 py-2 text-sm outline-none data-[highlighted]:bg-wash";
const HEADING = "px-3 pt-2 pb-1 text-xs text-faint";

/** Language and appearance; for someone signed in also the account. */
export function PersonMenu() {
  const { t, i18n } = useTranslation();
  const theme = useTheme();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const session = useQuery({ ...sessionQuery, enabled: false }).data;
  const signOut = async () => {
    // Afterwards nobody would be allowed to.
    await removals.settle();
    await request("/api/v1/session", { method: "DELETE" }).catch(() => undefined);
    queries.clear();
    await navigate({ to: "/signin" });
  };
  return (
    <Dropdown.Root modal={false}>
      <Dropdown.Trigger data-testid="person-menu" aria-label={`${t("nav.account")}, ${t("language.label")}, ${t("theme.label")}`}
        className="inline-flex size-9 items-center justify-center rounded-full border border-line bg-raised text-quiet hover:border-brass hover:text-ink">
        <Person />
      </Dropdown.Trigger>
      <Dropdown.Portal>
        <Dropdown.Content align="end" sideOffset={6}
          className="z-50 min-w-52 rounded-xl border border-line bg-raised p-1.5 text-ink shadow-desk">
          {session && (
            <>
              <div className="px-3 py-2 text-sm"><p className="font-medium">{session.user.name || session.user.email || session.tenant.name}</p></div>
              <Dropdown.Item className={ITEM} onSelect={() => void navigate({ to: "/account" })}>{t("nav.account")}</Dropdown.Item>
              <Dropdown.Item className={ITEM} onSelect={() => void navigate({ to: "/settings" })}>{t("nav.settings")}</Dropdown.Item>
              <Dropdown.Separator className="my-1 h-px bg-line" />
            </>
          )}
          <Dropdown.Label className={HEADING}>{t("language.label")}</Dropdown.Label>
          <Dropdown.RadioGroup value={i18n.language} onValueChange={(value) => setLanguage(value as (typeof LANGUAGES)[number]["tag"])}>
            {LANGUAGES.map((one) => (
              <Dropdown.RadioItem key={one.tag} value={one.tag} lang={one.tag} className={ITEM}>
                {one.name}<Dropdown.ItemIndicator><Check /></Dropdown.ItemIndicator>
              </Dropdown.RadioItem>
            ))}
          </Dropdown.RadioGroup>
          <Dropdown.Label className={HEADING}>{t("theme.label")}</Dropdown.Label>
          <Dropdown.RadioGroup value={theme} onValueChange={(value) => setTheme(value as (typeof THEMES)[number])}>
            {THEMES.map((one) => (
              <Dropdown.RadioItem key={one} value={one} className={ITEM}>
                {t(`theme.${one}`)}<Dropdown.ItemIndicator><Check /></Dropdown.ItemIndicator>
              </Dropdown.RadioItem>
            ))}
          </Dropdown.RadioGroup>
          {session && (
            <>
              <Dropdown.Separator className="my-1 h-px bg-line" />
              <Dropdown.Item className={ITEM} onSelect={() => void signOut()}>{t("nav.sign_out")}</Dropdown.Item>
            </>
          )}
        </Dropdown.Content>
      </Dropdown.Portal>
    </Dropdown.Root>
  );
}
