// The person's own settings: name, e-mail, password; and how the page looks and speaks.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { sessionQuery } from "@/api/queries";
import type { Session } from "@/api/types";
import { LANGUAGES, setLanguage } from "@/i18n";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Page } from "@/ui/page";
import { PANEL } from "@/ui/panel";
import { ProblemNotice } from "@/ui/problem-notice";
import { setTheme, THEMES, useTheme } from "@/ui/theme";

export function AccountPage() {
  const { t } = useTranslation();
  const session = useQuery(sessionQuery).data;
  return (
    <Page title={t("account.title")} {...(session ? { intro: `${t("account.house", { tenant: session.tenant.name })} · ${t("account.role", { role: session.user.role })}` } : {})}>
      <div className="grid items-start gap-6 md:grid-cols-[3fr_2fr]">
        {session && <Profile session={session} />}
        <Appearance />
      </div>
    </Page>
  );
}

function Profile({ session }: { session: Session }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const { user } = session;
  const [name, setName] = useState(user.name ?? "");
  const [email, setEmail] = useState(user.email ?? "");
  const [password, setPassword] = useState("");
  const [current, setCurrent] = useState("");
  const save = useMutation({
    mutationFn: () =>
      request<unknown>("/api/v1/account", {
        method: "PUT",
        body: {
          ...(name.trim() !== (user.name ?? "") ? { name: name.trim() } : {}),
          ...(email.trim() && email.trim() !== user.email ? { email: email.trim() } : {}),
          ...(password ? { password } : {}),
          ...(current ? { current_password: current } : {}),
        },
      }),
    onSuccess: async () => {
      setPassword("");
      setCurrent("");
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
  });
  const sensitive = user.has_password && (password !== "" || email.trim() !== (user.email ?? ""));
  return (
    <form className={`${PANEL} space-y-4`} onChange={() => { if (!save.isPending) save.reset(); }} onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
      <h2 className="font-display text-xl font-semibold">{t("account.profile")}</h2>
      {!user.has_password && <p className="rounded-lg bg-brass-wash px-3 py-2 text-sm">{t("account.no_password")}</p>}
      <Field label={t("account.name")} autoComplete="name" value={name} onChange={(event) => setName(event.target.value)} />
      <Field label={t("account.email")} type="email" autoComplete="username" required={!user.has_password} value={email} onChange={(event) => setEmail(event.target.value)} />
      <Field label={user.has_password ? t("account.new_password") : t("account.password")} type="password" autoComplete="new-password" minLength={10} required={!user.has_password}
        hint={user.has_password ? t("account.password_hint") : t("account.password_first_hint")} value={password} onChange={(event) => setPassword(event.target.value)} />
      {sensitive && <Field label={t("account.current_password")} type="password" autoComplete="current-password" required value={current} onChange={(event) => setCurrent(event.target.value)} />}
      {save.error && <ProblemNotice problem={asProblem(save.error)} />}
      <div className="flex items-center gap-3">
        <Button type="submit" weight="primary" disabled={save.isPending}>{t("common.save")}</Button>
        <span role="status" className="text-sm text-quiet">{save.isSuccess ? t("common.saved") : ""}</span>
      </div>
    </form>
  );
}

function Appearance() {
  const { t, i18n } = useTranslation();
  const theme = useTheme();
  return (
    <section className={`${PANEL} space-y-5`}>
      <h2 className="font-display text-xl font-semibold">{t("account.page")}</h2>
      <Choice legend={t("language.label")} name="language" value={i18n.language} options={LANGUAGES.map((one) => [one.tag, one.name])}
        onChange={(value) => setLanguage(value as (typeof LANGUAGES)[number]["tag"])} />
      <Choice legend={t("theme.label")} name="theme" value={theme} options={THEMES.map((one) => [one, t(`theme.${one}`)])}
        onChange={(value) => setTheme(value as (typeof THEMES)[number])} />
    </section>
  );
}

interface ChoiceProps {
  legend: string;
  name: string;
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
}

function Choice({ legend, name, value, options, onChange }: ChoiceProps) {
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-medium">{legend}</legend>
      <div className="space-y-1">
        {options.map(([option, label]) => (
          <label key={option} className="flex min-h-10 cursor-pointer items-center gap-3 rounded-lg px-2 hover:bg-wash">
            <input type="radio" name={name} value={option} checked={value === option} onChange={() => onChange(option)} className="size-4 accent-lacquer" />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
