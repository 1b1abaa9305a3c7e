/** docs/clients.md works: each language's part is followed in a folder of its own, and prints what it says. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { BROWSER, newTab, useBrowser } from "../console/browser.ts";
import { COMPILE_MS } from "../doors/clients/client.ts";
import { GO } from "../doors/clients/go.ts";
import { GRPCURL } from "../doors/clients/grpcurl.ts";
import { RUBY } from "../doors/clients/ruby.ts";
import { describeWith, type Need, program, pythonModules } from "../support/needs.ts";
import { type Block, blocksOf } from "./markdown.ts";
import { Shell } from "./shell.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

const PAGE_PART = "A page in a browser";
const PAGE = "index.html";

const BUF = program("buf", { install: "npm ci" });
const CURL = program("curl");
const GRPC_TOOLS = pythonModules(["grpc_tools", "grpc_status"], ["grpcio-tools", "grpcio-status"]);
const NEEDS: Readonly<Record<string, readonly Need[]>> = {
  Go: [GO, BUF],
  Python: [GRPC_TOOLS, CURL],
  Ruby: [...RUBY, BUF],
  "Node.js": [BUF],
  [PAGE_PART]: [BROWSER],
  curl: [CURL],
  "buf curl and grpcurl": [BUF, GRPCURL],
};

const [, ...parts] = readFileSync(path.join(ROOT, "docs/clients.md"), "utf8").split(/^## /m);
const folder = mkdtempSync(path.join(tmpdir(), "tally-clients-"));
let server: RunningServer;
/** Another site, with the page; a browser lets none call this machine that it did not have from there. */
const site = createServer((_, response) => {
  response.setHeader("content-type", "text/html").end(readFileSync(path.join(folder, PAGE_PART, PAGE)));
});
let origin: string;
/** Of the principal "shop": in each part's folder as tally.key. */
let key: string | undefined;
const ROOT_KEY = "root".repeat(10);

async function admin(resource: string, body: object): Promise<{ key?: string }> {
  const response = await fetch(`http://127.0.0.1:${server.address.port}/v1/admin/${resource}`, {
    method: "POST",
    headers: { authorization: `Bearer ${ROOT_KEY}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { key?: string };
}

beforeAll(async () => {
  await once(site.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const rootKeyFile = path.join(folder, "root.key");
  writeFileSync(rootKeyFile, ROOT_KEY, { mode: 0o600 });
  const flags = {
    listen: "127.0.0.1:0",
    store: "memory:",
    "allow-origin": origin,
    auth: "optional", // Most of the page is without keys; who sends one is that one.
    "root-key-file": rootKeyFile,
  };
  server = await startServer(loadConfig({ flags, env: {} }).config, { telemetry: NO_TELEMETRY });
  await admin("principals", { name: "shop" });
  ({ key } = await admin("principals/shop/keys", {}));
});

afterAll(async () => {
  site.close();
  await server?.close();
  rmSync(folder, { recursive: true });
});

useBrowser();

for (const part of parts) {
  const title = part.slice(0, part.indexOf("\n"));
  describeWith(NEEDS[title]!, `docs/clients.md: ${title}`, () => {
    const home = path.join(folder, title);
    let shell: Shell;

    beforeAll(() => {
      mkdirSync(home);
      writeFileSync(path.join(home, "tally.key"), `${key}\n`, { mode: 0o600 });
      // For what its text says is to be installed.
      if (title === "Node.js") symlinkSync(path.join(ROOT, "node_modules"), path.join(home, "node_modules"));
      shell = new Shell(home, {});
    });

    afterAll(() => shell?.close());

    for (const block of blocksOf(part)) stepOf(block, home, () => shell);
  });
}

describe("docs/clients.md", () => {
  it("has the parts that are known here", () => {
    expect(parts.map((part) => part.slice(0, part.indexOf("\n")))).toEqual(Object.keys(NEEDS));
  });
});

/** A file is written, a script is run; what stands below a script is what it prints. */
function stepOf({ language, code, file, shows }: Block, home: string, shell: () => Shell): void {
  if (file !== undefined) {
    it(`has ${file}`, () => writeFileSync(path.join(home, file), addressed(code)));
    if (file === PAGE) it(`counts from ${file}`, likes);
  } else if (language === "sh") {
    it(
      `runs ${code.slice(0, code.indexOf("\n"))}`,
      async () => {
        const { output, failed } = await shell().run(addressed(code));
        expect({ failed, output: failed.length > 0 ? output : "" }).toEqual({ failed: [], output: "" });
        if (shows?.language === "text") expect(output).toBe(shows.code);
        if (shows?.language === "json") expect(JSON.parse(output)).toEqual(JSON.parse(shows.code));
      },
      COMPILE_MS,
    );
  } else if (language !== "text" && language !== "json") {
    throw new TypeError(`expected a name before the ${language} block, "In \`NAME\`:", or sh`);
  }
}

/** A click counts, and one whose answer is lost counts once. */
async function likes(): Promise<void> {
  const page = await newTab();
  await page.goto(origin);
  await page.getByRole("button", { name: "Like" }).click();
  await page.getByText("1", { exact: true }).waitFor();
  let lost = 0;
  await page.route("**/*:increment", async (route) => {
    if (lost++ > 0) return route.continue();
    await route.fetch(); // It counts, and nobody hears of it.
    return route.abort();
  });
  await page.getByRole("button", { name: "Like" }).click();
  await page.getByText("2", { exact: true }).waitFor();
  expect(lost).toBe(2);
}

function addressed(code: string): string {
  return code.replaceAll("127.0.0.1:8080", `127.0.0.1:${server.address.port}`);
}
