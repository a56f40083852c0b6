// Whether a language model and the embedding model are there, and what to do when they are not.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { asProblem, request } from "@/api/client";
import { modelsQuery } from "@/api/queries";
import type { ModelsStatus } from "@/api/types";
import { Button } from "@/ui/button";
import { CodeBlock } from "@/ui/code-block";
import { ProblemNotice } from "@/ui/problem-notice";
import { Words } from "@/ui/words";

const BY_ENVIRONMENT = `export PARLOUR_MODEL_BASE_URL=https://api.example.com/v1
export PARLOUR_MODEL_API_KEY=sk-…
export PARLOUR_MODEL_NAME=your-model`;
const BY_FILE = `model_base_url = "https://api.example.com/v1"
model_api_key = "sk-…"
model_name = "your-model"`;

export function ModelNotice() {
  const models = useQuery(modelsQuery);
  if (!models.data) return null;
  return (
    <>
      {!models.data.configured && <NoModel status={models.data} />}
      {models.data.configured && models.data.reachable === false && <Unreachable status={models.data} />}
      <Embedding status={models.data} />
    </>
  );
}

function NoModel({ status }: { status: ModelsStatus }) {
  const { t } = useTranslation();
  return (
    <section id="model" data-testid="no-model" className="mb-8 rounded-2xl border border-brass/50 bg-brass-wash p-5 sm:p-6">
      <h2 className="font-display text-xl font-semibold">{t("models.none_title")}</h2>
      <p className="mt-1 text-quiet">{t("models.none_text")}</p>
      <ol className="mt-4 space-y-4">
        {status.offer && status.offer.models.length > 0 && <li><Offer offer={status.offer} /></li>}
        <li className="grid gap-4 sm:grid-cols-2">
          <div className="min-w-0"><p className="mb-1.5 text-sm">{t("models.way_env")}</p><CodeBlock text={BY_ENVIRONMENT} /></div>
          <div className="min-w-0"><p className="mb-1.5 text-sm"><Words text={t("models.way_file")} /></p><CodeBlock text={BY_FILE} /></div>
        </li>
      </ol>
    </section>
  );
}

function Offer({ offer }: { offer: NonNullable<ModelsStatus["offer"]> }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const accept = useMutation({
    mutationFn: (model: string) => request<unknown>("/api/v1/models/offer", { method: "POST", body: { model } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: modelsQuery.queryKey }),
  });
  return (
    <div>
      <p className="mb-2 text-sm"><Words text={t("models.way_offer", { url: offer.base_url })} /></p>
      <ul className="divide-y divide-line overflow-hidden rounded-xl border border-line bg-raised">
        {offer.models.map((model) => (
          <li key={model} className="flex flex-wrap items-center justify-between gap-2 px-4 py-2">
            <span className="font-mono text-sm break-all">{model}</span>
            <Button disabled={accept.isPending} onClick={() => accept.mutate(model)}>
              {accept.isPending && accept.variables === model ? t("models.using") : t("models.use")}
            </Button>
          </li>
        ))}
      </ul>
      {accept.error && <div className="mt-2"><ProblemNotice problem={asProblem(accept.error)} /></div>}
    </div>
  );
}

function Unreachable({ status }: { status: ModelsStatus }) {
  const { t } = useTranslation();
  return (
    <section className="mb-8 rounded-2xl border border-seal/35 bg-seal-wash p-5">
      <h2 className="font-display text-lg font-semibold">{t("models.unreachable_title")}</h2>
      <p className="mt-1 text-quiet"><Words text={t("models.unreachable_text", { model: status.model ?? "", url: status.base_url ?? "" })} /></p>
    </section>
  );
}

function Embedding({ status }: { status: ModelsStatus }) {
  const { t } = useTranslation();
  const embedding = status.embedding;
  if (embedding?.state === "downloading") {
    const percent = embedding.total ? Math.floor(((embedding.done ?? 0) / embedding.total) * 100) : null;
    return (
      <div role="status" className="mb-6 text-sm text-quiet">
        <p>{percent === null ? t("models.embedding_downloading_unknown") : t("models.embedding_downloading", { percent })}</p>
        <div className="mt-2 h-1 overflow-hidden rounded-full bg-line"><div className="h-full bg-brass transition-[width]" style={{ width: `${percent ?? 8}%` }} /></div>
      </div>
    );
  }
  if (embedding?.state === "missing") return <p className="mb-6 rounded-xl border border-line bg-paper px-4 py-3 text-sm text-quiet"><Words text={t("models.embedding_missing")} /></p>;
  if (embedding?.state !== "failed") return null;
  return (
    <p className="mb-6 rounded-xl border border-line bg-paper px-4 py-3 text-sm text-quiet">
      {t("models.embedding_failed")} {embedding.reason && <Words text={t("models.embedding_reason", { reason: embedding.reason })} />}
    </p>
  );
}
