// Sends a file and tells how much of it has gone. `fetch` cannot tell that, so this is the one place that does without it.
import { apiLanguage, Problem, refused, setReachable } from "./client";
import type { ProblemBody } from "./types";

/** `onProgress` is called with the part that was sent, from 0 to 1. */
export function upload<T>(path: string, file: File, onProgress: (part: number) => void): Promise<T> {
  const body = new FormData();
  body.append("file", file, file.name);
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
