/** What is no whole character becomes `U+FFFD`. */
export function utf8fromStringLoose(text: string): Uint8Array;
/** What is no UTF-8 becomes `U+FFFD`. */
export function utf8toStringLoose(bytes: Uint8Array): string;
