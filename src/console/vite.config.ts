import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/**
 * The page, built into gen/console, which is committed: so a checkout serves it without a build. `npx vite
 * src/console` instead serves the sources as they are edited, beside a Tally on port 8080.
 */
export default defineConfig({
  root: import.meta.dirname,
  base: "./", // Also behind a proxy that gives Tally a path of its own.
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: fileURLToPath(new URL("../../gen/console", import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0, // The page's security policy knows no data: URLs.
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // What is fetched at once is one file: two of them are larger, packed each by itself.
        codeSplitting: { groups: [{ name: "index", test: /./, tags: ["$initial"] }] },
      },
    },
    license: { fileName: "licenses.md" },
  },
  plugins: [
    {
      // Around each import() Vite puts what loads style sheets beside it. Here there are none, and a first visit pays for it.
      name: "nothing-beside-scripts",
      enforce: "pre",
      load: (id) =>
        id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : null,
    },
  ],
  server: { proxy: { "^/(tally\\.v1\\.|v1/|docs)": "http://127.0.0.1:8080" } },
});
