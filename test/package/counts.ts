import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { holdCall } from "../cli/process/call.ts";
import { folder, ROOT, type Tally } from "../cli/process/tally.ts";

vi.setConfig({ testTimeout: 120_000 }); // Some install something too.

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** The command says its version; serves on Node.js 24, counts, answers, stops as it should, and has kept the count. */
export async function countsWith(
  tally: (args: readonly string[]) => Tally,
  stop = (server: Tally, _pid: number) => server.child.kill("SIGTERM"),
): Promise<void> {
  await expect(tally(["--version"]).ended).resolves.toMatchObject({ code: 0, stdout: `${version}\n` });
  const store = `sqlite:${join(folder(), "tally.db")}`;
  for (const value of [1n, 12n]) {
    const server = tally(["serve", "--listen", "127.0.0.1:0", "--store", store]);
    const { port, node, pid } = await server.logged("server.ready");
    expect(node).toMatch(/^v24\./);
    expect(await (await holdCall(port)).finish()).toBe(value);
    const ask = (...args: string[]) => tally([...args, "--server", `127.0.0.1:${port}`]).ended;
    for (const [args, answer] of [
      [["inc", "held", "10", "-o", "yaml"], `value: "${value + 10n}"\n`],
      [["list", "-o", "name"], "held\n"],
      [["top", "-o", "value"], `${value + 10n}\n`],
    ] as const) {
      expect(await ask(...args)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(answer),
        stderr: "",
      });
    }
    const { status } = await fetch(`http://127.0.0.1:${port}/openapi.json`);
    expect(status).toBe(200);
    await servesThePage(`http://127.0.0.1:${port}`);
    stop(server, pid as number);
    await expect(server.ended).resolves.toMatchObject({ code: 0, signal: null, stderr: "" });
  }
}

/** The page for people, and all that it is made of. */
async function servesThePage(origin: string): Promise<void> {
  const html = await (await fetch(origin, { headers: { accept: "text/html" } })).text();
  const parts = [...html.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path);
  expect(parts).toHaveLength(3);
  for (const path of parts) expect((await fetch(`${origin}${path}`)).status).toBe(200);
}
