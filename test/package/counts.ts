import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { holdCall } from "../process/call.ts";
import { folder, ROOT, type Tally } from "../process/tally.ts";

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** The command says its version; it serves on Node.js 24, counts, stops as it should, and has kept the count. */
export async function countsWith(
  tally: (args: readonly string[]) => Tally,
  stop = (server: Tally, _pid: number) => server.child.kill("SIGTERM"),
): Promise<void> {
  await expect(tally(["--version"]).ended).resolves.toMatchObject({ code: 0, stdout: `${version}\n` });
  const store = `sqlite:${join(folder(), "tally.db")}`;
  for (const value of [1n, 2n]) {
    const server = tally(["serve", "--listen", "127.0.0.1:0", "--store", store]);
    const { port, node, pid } = await server.logged("server.ready");
    expect(node).toMatch(/^v24\./);
    expect(await (await holdCall(port)).finish()).toBe(value);
    stop(server, pid as number);
    await expect(server.ended).resolves.toMatchObject({ code: 0, signal: null, stderr: "" });
  }
}
