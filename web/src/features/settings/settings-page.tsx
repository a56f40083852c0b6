// The workspace's settings: secrets that workflows may use, and what a run may use at most.
import { useTranslation } from "react-i18next";
import { Page } from "@/ui/page";
import { Limits } from "./limits-panel";
import { Secrets } from "./secrets-panel";

export function SettingsPage() {
  const { t } = useTranslation();
  return (
    <Page title={t("nav.settings")} intro={t("settings.intro")}>
      <div className="space-y-6">
        <Secrets />
        <Limits />
      </div>
    </Page>
  );
}
