// Which addresses of strangers are made into links.

/** The address of a link, or null for one that is shown as plain words: only the web, mail and telephone lead out. */
export function safeLink(href: string | undefined): string | null {
  if (!href) return null;
  try {
    const url = new URL(href);
    const allowed = url.protocol === "https:" || url.protocol === "http:" || url.protocol === "mailto:" || url.protocol === "tel:";
    // A user name in an address serves to make a stranger's host look familiar.
    return allowed && url.username === "" && url.password === "" ? url.href : null;
  } catch {
    return null;
  }
}
