// What the web has and the engine has not, from small packages that are well kept. The build puts an import of it wherever a
// module uses the name, so a plugin carries only what it uses.

export { default as structuredClone } from "@ungap/structured-clone";
export { TextDecoder, TextEncoder } from "@exodus/bytes/encoding-lite.js";
export { URL, URLSearchParams } from "whatwg-url-minimum";
