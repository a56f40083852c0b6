// Sends a file and tells how much of it has gone. `fetch` cannot tell that, so this is the one place that does without it.
import { apiLanguage, Problem, refused, setReachable } from "./client";
import type { ProblemBody } from "./types";

export interface UploadOptions {
  /** Under which name the file is sent; its own otherwise. */
  name?: string | undefined;
  /** Sent beside the file; whatever is no text goes as JSON. */
  fields?: Record<string, unknown> | undefined;
  signal?: AbortSignal | undefined;
}

/** `onProgress` is called with the part that was sent, from 0 to 1. */
export function upload<T>(path: string, file: File, onProgress: (part: number) => void, options: UploadOptions = {}): Promise<T> {
  const body = new FormData();
  // Before the file: a server that reads the body as it comes then knows them in time.
  for (const [key, value] of Object.entries(options.fields ?? {})) body.append(key, typeof value === "string" ? value : JSON.stringify(value));
  body.append("file", file, options.name ?? file.name);
  const call = new XMLHttpRequest();
  call.open("POST", path);
  call.setRequestHeader("Accept", "application/json");
  call.setRequestHeader("Accept-Language", apiLanguage());
  call.upload.onprogress = (event) => { if (event.lengthComputable) onProgress(event.loaded / event.total); };
  return new Promise((resolve, reject) => {
    call.onload = () => {
      setReachable(true);
      const answer = parse(call.responseText);
      if (call.status >= 200 && call.status < 300) return resolve(answer as T);
      reject(refused(path, new Problem(call.status, (answer as ProblemBody | null) ?? { title: call.statusText })));
    };
    call.onerror = () => {
      setReachable(false);
      reject(new Problem(0, { code: "server_unreachable" }));
    };
    call.onabort = () => reject(new Problem(0, { code: "unexpected" }));
    if (options.signal?.aborted) return reject(new Problem(0, { code: "unexpected" }));
    options.signal?.addEventListener("abort", () => call.abort());
    call.send(body);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
