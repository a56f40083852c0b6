// A page on the web, or a site map with many, as documents.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { baseAddress, baseQuery } from "@/api/knowledge";
import { removals } from "@/api/removals";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { ProblemNotice } from "@/ui/problem-notice";
import { addressOf, looksLikeSitemap } from "./addresses";

export function AddressForm({ base, onDone }: { base: string; onDone: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState<boolean | null>(null);
  const [tried, setTried] = useState(false);
  const address = addressOf(typed);
  const sitemap = chosen ?? (address !== null && looksLikeSitemap(address));
  const add = useMutation({
    mutationFn: async () => {
      await removals.settle();
      return request<unknown>(baseAddress(base, "documents"), { method: "POST", body: sitemap ? { sitemap: address } : { url: address } });
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: baseQuery(base).queryKey });
      onDone();
    },
  });
  return (
    <form noValidate data-testid="add-address" className="space-y-3" onSubmit={(event) => { event.preventDefault(); setTried(true); if (address) add.mutate(); }}>
      <Field label={t("knowledge.address")} type="url" inputMode="url" autoFocus placeholder="https://example.com/" value={typed} hint={t(sitemap ? "knowledge.sitemap_hint" : "knowledge.address_hint")}
        error={tried && !address ? t("knowledge.address_wrong") : undefined} onChange={(event) => { if (!add.isPending) add.reset(); setTyped(event.target.value); }} />
      <label className="flex min-h-9 items-center gap-2 text-sm">
        <input type="checkbox" className="size-4 accent-lacquer" checked={sitemap} onChange={(event) => setChosen(event.target.checked)} />
        {t("knowledge.is_sitemap")}
      </label>
      {add.error && <ProblemNotice problem={asProblem(add.error)} />}
      <div className="flex gap-2">
        <Button type="submit" weight="primary" disabled={add.isPending}>{add.isPending ? t("knowledge.adding") : t("knowledge.address_add")}</Button>
        <Button onClick={onDone}>{t("common.cancel")}</Button>
      </div>
    </form>
  );
}
