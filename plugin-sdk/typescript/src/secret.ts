// A secret of the plugin's settings. The plugin holds only its place: the server puts the value in when a request goes out,
// and takes it out of whatever comes back, so that no plugin can lose what it never had.

import { Type } from "typebox";

const START = "{{secret:";
const END = "}}";

/**
 * The place of a secret setting, for the value of a header or of an address's query. It is no text: made into one, it would
 * be sent as something else than the secret, so that is an error.
 */
export class Secret {
  readonly #placeholder: string;

  constructor(placeholder: unknown) {
    if (typeof placeholder !== "string" || !placeholder.startsWith(START) || !placeholder.endsWith(END)) {
      // The text itself stays out of the message: it may be the secret.
      throw new Error("this is no placeholder of a secret; the setting is not marked as one");
    }
    this.#placeholder = placeholder;
  }

  /** The secret with a text before it, such as `Bearer `. */
  after(text: string): Part {
    return new Part(text, this.#placeholder);
  }

  toString(): never {
    throw new TypeError('a secret is no text; `http` takes it in `headers` and `query` as it is, or as `secret.after("Bearer ")`');
  }

  toJSON(): never {
    throw new TypeError("a secret cannot stand in JSON: the server puts it into headers and into an address's query only");
  }
}

/** Text with a secret after it: the value of a header or of an address's query. */
export class Part {
  readonly text: string;
  readonly #placeholder: string;

  constructor(text: string, placeholder: string) {
    this.text = text;
    this.#placeholder = placeholder;
  }

  /** What crosses to the server; for `http` only. */
  static placeholderOf(part: Part): string {
    return part.#placeholder;
  }
}

/** Whether a text would be filled in, although it only looks like a placeholder. */
export function looksLikeSecret(text: string): boolean {
  return text.includes(START);
}

/** A setting that is a secret: the form hides it, the server keeps it sealed, and the plugin never gets it. */
export function secret(options: { description?: string; [keyword: string]: unknown } = {}) {
  return Type.Unsafe<Secret>({ type: "string", secret: true, ...options });
}
