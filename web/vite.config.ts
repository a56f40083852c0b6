// How the web page is built and, while developing, where its API comes from: the real server by proxy
// (`npm run dev`) or an in-memory stand-in (`npm run dev:mock`), which no production build contains.
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { mockApi } from "./dev/mock-api.ts";

const server = process.env["PARLOUR_SERVER"] ?? "http://127.0.0.1:7272";

export default defineConfig(({ mode }) => ({
  plugins: [react(), tailwindcss(), ...(mode === "mock" ? [mockApi()] : [])],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    target: "es2022",
    // Everything is served by our own server, and a content policy forbids `data:` scripts and fonts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  server: {
    port: 5173,
    // The server compares Origin with its own address, so the proxy speaks under the server's name.
    ...(mode === "mock" ? {} : { proxy: { "^/(api|v1|healthz|readyz)": { target: server, changeOrigin: true, headers: { origin: server } } } }),
  },
  preview: { port: 4173, host: "127.0.0.1" },
}));
