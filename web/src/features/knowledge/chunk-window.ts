// Which passages to begin with when an address names one. Pure.

/** `chunk-12` */
export function chunkOf(hash: string): number | null {
  const found = /^#?chunk-(\d{1,9})$/.exec(hash);
  return found ? Number(found[1]) : null;
}

/** Passages shown before the one that is looked for, so that it is read in its surroundings. */
const BEFORE = 5;

/** The number behind which the list begins; -1 is the very beginning. */
export function windowBefore(target: number | null): number {
  return target === null || target <= BEFORE ? -1 : target - BEFORE - 1;
}
