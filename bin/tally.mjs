#!/usr/bin/env node
// The `tally` command. It has no static imports of ours and knows only old syntax, because an old Node.js must get
// as far as the check below: there the sources do not parse, and the SQLite binding ends the process with a segfault.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

if (canRunTally(process.versions.node)) await run();
else await runOnNewerNode();

/** 22.18 and 23.6 are the first to run TypeScript sources as they are. */
function canRunTally(version) {
  const [major, minor] = version.split(".").map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** A packed Tally has dist/, because Node strips no types under node_modules. */
async function run() {
  if (process.env.TALLY_REEXECUTED) stopWithParent();
  await cacheCompiledCode();
  const built = existsSync(join(root, "dist/src/cli/main.js"));
  const { main } = await (built ? import("../dist/src/cli/main.js") : import("../src/cli/main.ts"));
  await main(process.argv.slice(2), root);
}

/**
 * A start then takes a third less of the processor. Kept in the package if that can be written, and not in the
 * folder for temporary files, where others could put code.
 */
async function cacheCompiledCode() {
  process.env.NODE_COMPILE_CACHE ??= join(root, "node_modules/.cache/tally"); // Worker threads look here.
  const { enableCompileCache } = await import("node:module");
  enableCompileCache(process.env.NODE_COMPILE_CACHE);
}

/** Run this command again on the Node.js that the package brings with it, as if it had been that from the start. */
async function runOnNewerNode() {
  const candidates = [
    "node_modules/.bin/node",
    `node_modules/node-linux-${process.arch}/bin/node`, // npm 10 unpacks it and leaves the link out.
    "../.bin/node", // When Tally is somebody's dependency.
  ];
  const node = candidates.map((path) => join(root, path)).find((path) => existsSync(path));
  if (node === undefined || process.env.TALLY_REEXECUTED) {
    const found = `this is ${process.versions.node} (${process.execPath})`;
    refuse(
      `Tally needs Node.js 22.18 or newer, and ${found}; install Node.js 24, or run "npm ci" in ${root}.`,
    );
  }
  const { spawn } = await import("node:child_process");
  const child = spawn(node, [...process.execArgv, self, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, TALLY_REEXECUTED: "1" },
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("error", ({ message }) => refuse(`Cannot run the Node.js at ${node}: ${message}.`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal); // So that it ends this process as it ended the other.
    process.kill(process.pid, signal);
  });
}

/** Should the parent be killed outright, nobody would know that this process still holds the port and the store. */
function stopWithParent() {
  delete process.env.TALLY_REEXECUTED;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}

/** Exit codes: src/cli/exit.ts. */
function refuse(sentence) {
  console.error(`tally: ${sentence}`);
  process.exit(69);
}
