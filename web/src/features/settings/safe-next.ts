// The way back after signing in.

/** Where to go afterwards: only a path of this page, never another site's address. */
export function safeNext(next: string | undefined): string {
  if (!next || !next.startsWith("/")) return "/";
  const base = "http://parlour.invalid";
  try {
    const url = new URL(next, base);
    return url.origin === base ? `${url.pathname}${url.search}${url.hash}` : "/";
  } catch {
    return "/";
  }
}
