// What was thrown, as a person would say it.

const { String: text } = globalThis;
const { stringify } = JSON;
const { isError = (value: unknown) => value instanceof Error } = Error as { isError?(value: unknown): boolean };

/** Never throws itself, whatever it is given. `who` threw; `place` finds, in an error's stack, where. */
export function inWords(thrown: unknown, who: string, place: (stack: string) => string | undefined): string {
  try {
    if (isError(thrown)) return told(thrown as Error, place);
    if (typeof thrown === "string") return thrown;
    return `${who} threw ${stringify(thrown) ?? text(thrown)}`;
  } catch {
    return `${who} threw something that cannot be shown`;
  }
}

/** An error's name, message and place. May throw where an error is not what it seems. */
export function told(error: Error, place: (stack: string) => string | undefined): string {
  const name = text(error.name);
  const message = text(error.message);
  const words = message === "" ? name : name === "Error" ? message : `${name}: ${message}`;
  const found = place(text(error.stack));
  return found === undefined ? words : `${words} (${found})`;
}
