// Durations and moments in the reader's language.
export function formatDuration(ms: number | null, language: string): string {
  if (ms === null) return "";
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toLocaleString(language, { maximumFractionDigits: seconds < 10 ? 1 : 0 })} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.round(seconds % 60)} s`;
}

/** Of short work, where microseconds tell something. */
export function formatMicros(us: number, language: string): string {
  return us < 1000 ? `${Math.round(us)} µs` : us < 10_000 ? `${(us / 1000).toLocaleString(language, { maximumFractionDigits: 1 })} ms` : formatDuration(us / 1000, language);
}

export function formatMoment(ms: number | null, language: string): string {
  if (ms === null) return "";
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(language, today ? { hour: "2-digit", minute: "2-digit" } : { dateStyle: "medium", timeStyle: "short" }).format(date);
}
