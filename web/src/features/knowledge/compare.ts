// Figures of a test run beside those of the one before. Pure.

export type Direction = "better" | "worse" | "same";

/** A change that would not be seen in the figures as they are written is none. */
export function directionOf(now: number, before: number, digits: number): Direction {
  const step = 10 ** -digits;
  if (Math.abs(now - before) < step / 2) return "same";
  return now > before ? "better" : "worse";
}

export function sayShare(value: number, language: string): string {
  return value.toLocaleString(language, { style: "percent", maximumFractionDigits: 1 });
}

export function sayFigure(value: number, language: string): string {
  return value.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 3 });
}
