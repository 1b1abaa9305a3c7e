/** A site of somebody else, whose page calls Tally. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build, type Rolldown } from "vite";
import { onTestFinished } from "vitest";

const BUILT = build({
  configFile: join(import.meta.dirname, "../../src/console/vite.config.ts"),
  logLevel: "warn",
  build: {
    write: false,
    minify: false,
    rolldownOptions: {
      input: join(import.meta.dirname, "page/main.ts"),
      output: { entryFileNames: "main.js", assetFileNames: "main[extname]" },
    },
  },
}) as Promise<Rolldown.RolldownOutput>;

const HTML = `<!doctype html>
<html lang="en">
  <title>Another site</title>
  <link rel="stylesheet" href="main.css">
  <div id="console"></div>
  <script type="module" src="main.js"></script>
</html>`;

/** What the site gives out, by path. */
export async function filesOfOtherSite(): Promise<Map<string, { type: string; body: string }>> {
  const { output } = await BUILT;
  const files = new Map([["/", { type: "text/html", body: HTML }]]);
  for (const file of output) {
    const body = file.type === "chunk" ? file.code : `${file.source}`;
    files.set(`/${file.fileName}`, { type: file.type === "chunk" ? "text/javascript" : "text/css", body });
  }
  return files;
}

/** The site on a port of its own. @returns  its origin */
export async function openOtherSite(): Promise<string> {
  const files = await filesOfOtherSite();
  const server = createServer(({ url = "/" }, response) => {
    const file = files.get(new URL(url, "http://site").pathname);
    response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" }).end(file?.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
