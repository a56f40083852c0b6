// Uploads a plugin's file and says how far it is. What the plugin asked for before is remembered first, so that the new
// version's wishes stand out.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { kindTitlesQuery } from "@/api/kind-titles";
import { PLUGINS, pluginQuery, pluginsQuery } from "@/api/plugins";
import type { InstalledPlugin } from "@/api/plugins";
import { sessionQuery } from "@/api/queries";
import { upload } from "@/api/upload";
import { rememberFirst, seenKey } from "./seen";

export function useSeenKey(): (id: string) => string {
  const tenant = useQuery({ ...sessionQuery, enabled: false }).data?.tenant.id ?? "";
  return (id) => seenKey(tenant, id);
}

export function useInstall() {
  const queries = useQueryClient();
  const keyOf = useSeenKey();
  /** The part that was sent, from 0 to 1. */
  const [sent, setSent] = useState(0);
  const install = useMutation({
    mutationFn: async (file: File) => {
      setSent(0);
      const before = await queries.fetchQuery(pluginsQuery);
      for (const plugin of before) rememberFirst(keyOf(plugin.id), plugin);
      return upload<InstalledPlugin>(PLUGINS, file, setSent);
    },
    onSuccess: async (plugin) => {
      queries.setQueryData(pluginQuery(plugin.id).queryKey, plugin);
      void queries.invalidateQueries({ queryKey: kindTitlesQuery.queryKey });
      await queries.invalidateQueries({ queryKey: pluginsQuery.queryKey });
    },
  });
  return { install, sent };
}
