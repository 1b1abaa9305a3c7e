/** On a Node.js that cannot run Tally: it runs itself again on one that can, or says one sentence. */
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { EXIT } from "../../../src/cli/exit.ts";
import { TALLY_OF_SOURCES } from "../../support/bundles/command.ts";
import { describeWith } from "../../support/needs.ts";
import { holdCall } from "./call.ts";
import { OLD, OLD_NODE } from "./old-node.ts";
import { folder, ROOT, Tally } from "./tally.ts";

describeWith([OLD_NODE], "an old Node.js", () => {
  const { path: oldNode, version } = OLD ?? { path: "", version: "" };
  const SERVE = [TALLY_OF_SOURCES, "serve", "--listen", "127.0.0.1:0", "--store", "memory:"];

  it("hands over arguments, output, signals and the exit code", async () => {
    const server = new Tally(oldNode, SERVE);
    const { port, node, pid } = await server.logged("server.ready");
    expect([node, pid]).not.toEqual([`v${version}`, server.child.pid]);
    const call = await holdCall(port);
    server.child.kill("SIGTERM");
    await server.logged("server.draining");
    expect(await call.finish()).toBe(1n);
    await expect(server.ended).resolves.toMatchObject({ code: 0, signal: null, stderr: "" });
    await expect(new Tally(oldNode, [TALLY_OF_SOURCES, "serve", "--none"]).ended).resolves.toMatchObject({
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
    const { root, home } = alone();
    mkdirSync(join(root, "src"));
    await expect(
      new Tally(oldNode, [join(root, "bin/tally.mjs"), "serve"], { env: home }).ended,
    ).resolves.toEqual({
      code: EXIT.UNAVAILABLE,
      signal: null,
      stdout: "",
      stderr:
        `tally: Tally needs Node.js 22.18 or newer; this is ${version} (${oldNode}), and no newer one was found: ` +
        `install Node.js 24, or run "npm ci" in ${root}.\n`,
    });
  });

  it("alone, and of a package, it says how to give Tally a Node.js of its own", async () => {
    const { root, home } = alone();
    const { code, stderr } = await new Tally(oldNode, [join(root, "bin/tally.mjs")], { env: home }).ended;
    expect([code, stderr]).toEqual([
      EXIT.UNAVAILABLE,
      `tally: Tally needs Node.js 22.18 or newer; this is ${version} (${oldNode}), and no newer one was found: ` +
        `install Node.js 24, or give Tally one of its own with ` +
        `"npm install --prefix ${home.HOME}/.local/share/tally node-linux-${process.arch}@24".\n`,
    ]);
  });

  it.each([
    ["Tally's own", ".local/share/tally/node_modules/node-linux-ARCH/bin/node"],
    ["on the PATH", "on-path/node"],
    ["of nvm", ".nvm/versions/node/v22.18.0/bin/node"],
    ["of fnm", ".local/share/fnm/node-versions/v24.1.0/installation/bin/node"],
    ["of volta", ".volta/tools/image/node/24.1.0/bin/node"],
    ["of mise", ".local/share/mise/installs/node/24/bin/node"],
  ])("finds the Node.js %s", async (_, path) => {
    const { root, home } = alone();
    install(process.execPath, join(home.HOME, path.replace("ARCH", process.arch)));
    await expect(versionRunBy(root, home)).resolves.toBe(process.version);
  });

  it("takes the newest of a version manager, and passes over what is too old or does not run", async () => {
    const { root, home } = alone();
    const versions = join(home.HOME, ".nvm/versions/node");
    install(oldNode, join(versions, "v9.11.2/bin/node"));
    install(process.execPath, join(versions, "v24.10.0/bin/node"));
    install(
      script(home.HOME, 'echo v24.9.0; [ "$1" = --version ] || exit 99'),
      join(versions, "v24.9.0/bin/node"),
    );
    install(script(home.HOME, "exit 1"), join(versions, "v100.0.0/bin/node"));
    install(oldNode, join(home.HOME, "on-path/node"));
    await expect(versionRunBy(root, home)).resolves.toBe(process.version);
  });

  /** A Tally whose only code prints the Node.js that runs it, for a user who has nothing else. */
  function alone() {
    const root = folder();
    cpSync(join(ROOT, "bin"), join(root, "bin"), { recursive: true });
    const home = folder();
    const nowhere = Object.fromEntries(MANAGERS.map((variable) => [variable, undefined]));
    return { root, home: { ...nowhere, HOME: home, PATH: join(home, "on-path"), N_PREFIX: home } };
  }

  async function versionRunBy(root: string, env: NodeJS.ProcessEnv): Promise<string> {
    mkdirSync(join(root, "dist/src/cli"), { recursive: true });
    writeFileSync(join(root, "package.json"), '{"type": "module"}');
    writeFileSync(
      join(root, "dist/src/cli/main.js"),
      "export const main = () => console.log(process.version)",
    );
    const { stdout, stderr } = await new Tally(oldNode, [join(root, "bin/tally.mjs")], { env }).ended;
    return (stdout + stderr).trim();
  }
});

/** Where they say that their folder is another. */
const MANAGERS = [
  "ASDF_DATA_DIR",
  "FNM_DIR",
  "MISE_DATA_DIR",
  "NODENV_ROOT",
  "NVM_DIR",
  "VOLTA_HOME",
  "XDG_DATA_HOME",
];

function install(node: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(node, path);
}

function script(where: string, code: string): string {
  const path = join(where, `script-${code.length}`);
  writeFileSync(path, `#!/bin/sh\n${code}\n`);
  chmodSync(path, 0o755);
  return path;
}
