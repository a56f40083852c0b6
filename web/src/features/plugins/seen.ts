// What each plugin asked for when somebody last decided about it in this browser, so that a new version's wishes stand out.
import { useEffect, useState } from "react";
import type { InstalledPlugin, Permissions } from "@/api/plugins";
import { changesBetween } from "./changes";
import type { Change } from "./changes";

interface Seen {
  version: string;
  permissions: Permissions;
}

/** Plugins of one name in two workspaces are two plugins. */
export function seenKey(workspace: string, id: string): string {
  return `parlour.plugin.${workspace}.${id}`;
}

function read(key: string): Seen | null {
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? "null") as Partial<Seen> | null;
    return stored && typeof stored.version === "string" && typeof stored.permissions === "object" ? (stored as Seen) : null;
  } catch {
    return null;
  }
}

/** Remembers what this version of it asks for. */
export function remember(key: string, plugin: InstalledPlugin): void {
  try {
    localStorage.setItem(key, JSON.stringify({ version: plugin.version, permissions: plugin.manifest.permissions ?? {} } satisfies Seen));
  } catch {
    // Storage can be switched off; what is new is then not marked, and what is missing still is.
  }
}

/** Before a new version comes: what is there now counts as seen unless something older does. */
export function rememberFirst(key: string, plugin: InstalledPlugin): void {
  if (!read(key)) remember(key, plugin);
}

export function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // As above.
  }
}

interface News {
  /** The version that was last decided about. */
  since: string;
  changes: Change[];
  settle: () => void;
}

/** What is new about a plugin's wishes; null when nothing is. */
export function useNews(key: string, plugin: InstalledPlugin): News | null {
  const [seen, setSeen] = useState(() => read(key));
  useEffect(() => rememberFirst(key, plugin), [key, plugin]);
  if (!seen) return null;
  const changes = changesBetween(seen.permissions, plugin.manifest.permissions ?? {});
  const settle = () => { remember(key, plugin); setSeen(read(key)); };
  return changes.length > 0 ? { since: seen.version, changes, settle } : null;
}
