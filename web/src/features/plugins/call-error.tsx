// Why a call gave no value, in the reader's words; the plugin's own message stands below.
import { useTranslation } from "react-i18next";
import { ErrorNotice } from "@/ui/problem-notice";

interface CallErrorProps {
  code: string;
  message: string;
  hint?: string | null;
}

export function CallError({ code, message, hint = null }: CallErrorProps) {
  const { t } = useTranslation();
  // The server may send a code that these files do not know; the message then stands alone.
  const title = t(`plugins.error_${code as "failed"}`, { defaultValue: "" });
  return <ErrorNotice error={{ code, message, hint, ...(title ? { title } : {}) }} />;
}
