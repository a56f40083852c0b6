// What somebody types as an address. Pure.

/** With `https://` where it was left away; null for what is no address of the web. */
export function addressOf(typed: string): string | null {
  const text = typed.trim();
  if (text === "" || /\s/.test(text)) return null;
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
    return (url.protocol === "https:" || url.protocol === "http:") && url.hostname.includes(".") ? url.href : null;
  } catch {
    return null;
  }
}

/** Only a guess for the box to be ticked beforehand. */
export function looksLikeSitemap(address: string): boolean {
  return /sitemap[^/]*\.xml(\.gz)?$/i.test(new URL(address).pathname);
}
