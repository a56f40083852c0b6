// A name for a base from what people call it. Pure.

/** Latin letters and digits of the title; where it has too few, as in Chinese, a name with the date. */
export function nameFrom(title: string, now: Date = new Date()): string {
  const name = title.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "").slice(0, 63);
  if (name.length >= 2 || title.trim() === "") return name;
  const two = (value: number) => String(value).padStart(2, "0");
  return `kb_${two(now.getMonth() + 1)}${two(now.getDate())}_${two(now.getHours())}${two(now.getMinutes())}`;
}
