/** The page as it is handed out: to whom, and what it may do. See static-file.test.ts for how. */
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { open } from "./door.ts";
import { send } from "./http.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

describe("GET /", () => {
  it("is the page for a browser, asked for anew each time", async () => {
    await using opened = await open();
    const { status, headers, text } = await send(opened.door.port, { path: "/", headers: HTML });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
    });
    expect(headers.vary).toMatch(/Accept(,|$)/);
    expect(text).toContain("<title>Tally</title>");
  });

  it.each([
    [false, "off"],
    [true, "asked"],
  ])(
    "says whether callers are asked who they are (%s), and is another page then",
    async (authenticates, said) => {
      await using opened = await open({ authenticates });
      const { headers, text } = await send(opened.door.port, { path: "/", headers: HTML });
      expect(/<meta name="tally-auth" content="(\w+)"/.exec(text)?.[1]).toBe(said);
      await using other = await open({ authenticates: !authenticates });
      const kept = { ...HTML, "if-none-match": `${headers.etag}` };
      expect((await send(other.door.port, { path: "/", headers: kept })).status).toBe(200);
    },
  );

  it("is the same with a query, which is the page's own", async () => {
    await using opened = await open();
    const { status, text } = await send(opened.door.port, { path: "/?prefix=shop.", headers: HTML });
    expect([status, text.includes("<title>Tally</title>")]).toEqual([200, true]);
  });

  it.each([
    ["curl", { accept: "*/*" }],
    ["a client that says nothing", {}],
    ["a client that wants JSON", { accept: "application/json" }],
  ])("tells %s what this is, and what to type next", async (_, headers) => {
    await using opened = await open();
    const { port } = opened.door;
    const host = `127.0.0.1:${port}`;
    const got = await send(port, { path: "/", headers: { ...headers, host } });
    expect(got.status).toBe(200);
    expect(got.headers["content-type"]).toBe("text/plain; charset=utf-8");
    const [, method, path] = /curl -X (POST) http:\/\/[^/]+(\S+)/.exec(got.text)!;
    expect(got.text).toContain(`http://${host}${path}`);
    expect((await send(port, { method: method!, path: path! })).json).toMatchObject({
      outcome: { value: "1" },
    });
  });

  it("lets the page run and call only what it came with, and nobody frame it", async () => {
    await using opened = await open();
    const { headers } = await send(opened.door.port, { path: "/", headers: HTML });
    const policy = `${headers["content-security-policy"]}`.split("; ");
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ]),
    );
    expect(policy.join()).not.toMatch(/unsafe|\*|data:/);
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
  });
});

describe("what the page is made of", () => {
  it("is named by what is in it, and given out", async () => {
    await using opened = await open();
    const { port } = opened.door;
    const names = assetsOf((await send(port, { path: "/", headers: HTML })).text);
    expect(names.map((name) => name.replace(/.*-[\w-]{8}\./, "")).sort()).toEqual(["css", "js", "svg"]);
    for (const path of names) expect((await send(port, { path })).status).toBe(200);
  });

  it("is small: below 64 KiB with all that a first visit fetches", async () => {
    await using opened = await open();
    const { port } = opened.door;
    const first = await send(port, { path: "/", headers: { ...HTML, "accept-encoding": "gzip, br" } });
    const rest = assetsOf(gunzipSync(first.bytes).toString()).map((path) =>
      send(port, { path, headers: { "accept-encoding": "gzip" } }),
    );
    const sizes = (await Promise.all(rest)).map(({ bytes }) => bytes.length);
    expect(sizes.reduce((sum, size) => sum + size, first.bytes.length)).toBeLessThan(64 * 1024);
  });

  it.each([
    "/assets/",
    "/assets/none.js",
    "/assets/../index.html",
    "/licenses.md",
    "/assets/%2e%2e/index.html",
  ])("there is nothing at %s", async (path) => {
    await using opened = await open();
    const { status, error } = await send(opened.door.port, { path });
    expect([status, error?.reason]).toEqual([404, "PATH_NOT_FOUND"]);
  });
});

function assetsOf(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path!);
}
