/** On a Node.js that cannot run Tally: it runs itself again on one that can, or says one sentence. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { holdCall } from "./call.ts";
import { BIN, folder, Tally } from "./tally.ts";

const OLD = findOldNode();

describe.skipIf(OLD === undefined)("an old Node.js (needs one below 22.18 on the PATH)", () => {
  const { path: oldNode, version } = OLD ?? { path: "", version: "" };
  const SERVE = [BIN, "serve", "--listen", "127.0.0.1:0", "--store", "memory:"];

  it("hands over arguments, output, signals and the exit code", async () => {
    const server = new Tally(oldNode, SERVE);
    const { port, node, pid } = await server.logged("server.ready");
    expect([node, pid]).not.toEqual([`v${version}`, server.child.pid]);
    const call = await holdCall(port);
    server.child.kill("SIGTERM");
    await server.logged("server.draining");
    expect(await call.finish()).toBe(1n);
    await expect(server.ended).resolves.toMatchObject({ code: 0, signal: null, stderr: "" });
    await expect(new Tally(oldNode, [BIN, "serve", "--none"]).ended).resolves.toMatchObject({
      code: EXIT.USAGE,
    });
  });

  it("ends as the other was ended", async () => {
    const server = new Tally(oldNode, SERVE);
    const { pid } = await server.logged("server.ready");
    process.kill(pid as number, "SIGKILL");
    await expect(server.ended).resolves.toMatchObject({ code: null, signal: "SIGKILL" });
  });

  it("killed outright leaves no server behind", async () => {
    const server = new Tally(oldNode, SERVE);
    await server.logged("server.ready");
    server.child.kill("SIGKILL");
    await server.logged("server.stopped");
    await expect(server.ended).resolves.toMatchObject({ signal: "SIGKILL" });
  });

  it("alone says one sentence", async () => {
    const root = folder();
    mkdirSync(join(root, "bin"));
    cpSync(BIN, join(root, "bin/tally.mjs"));
    await expect(new Tally(oldNode, [join(root, "bin/tally.mjs"), "serve"]).ended).resolves.toEqual({
      code: EXIT.UNAVAILABLE,
      signal: null,
      stdout: "",
      stderr:
        `tally: Tally needs Node.js 22.18 or newer, and this is ${version} (${oldNode}); ` +
        `install Node.js 24, or run "npm ci" in ${root}.\n`,
    });
  });
});

function findOldNode(): { path: string; version: string } | undefined {
  for (const dir of new Set(process.env.PATH!.split(delimiter))) {
    const path = join(dir, "node");
    if (!existsSync(path)) continue;
    const script = "console.log(process.versions.node + ' ' + process.execPath)";
    const [version, execPath] = execFileSync(path, ["-e", script], { encoding: "utf8" }).trim().split(" ");
    const [major, minor] = version!.split(".").map(Number);
    if (major! < 22 || (major === 22 && minor! < 18)) return { path: execPath!, version: version! };
  }
  return undefined;
}
