#!/usr/bin/env node
// The `tally` command. It has no static imports of ours and is written in the syntax of Node.js 12, because an old
// one must get as far as the check below: there the sources do not parse, and the SQLite binding ends the process
// with a segfault.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

// Else the signal opens Node's debugger to whoever is on this machine.
process.on("SIGUSR1", () => {});
// A service is not to end of these, also while it is being loaded: src/cli/signals.ts has what they mean to it.
const survived = ["SIGHUP", "SIGUSR2", "SIGALRM", "SIGIO", "SIGPWR", "SIGVTALRM", "SIGSTKFLT"];
const flags = `${process.env.NODE_OPTIONS || ""} ${process.execArgv.join(" ")}`;
if (!/--(cpu-)?prof/.test(flags)) survived.push("SIGPROF"); // Else V8's profiler has it.
if (process.argv[2] === "serve") for (const signal of survived) process.on(signal, () => {});

if (canRunTally(process.versions.node)) void run();
else
  void import("./newer-node.mjs").then(({ runOnNewerNode }) => {
    runOnNewerNode({ self, root, canRunTally, survived });
  });

/** 22.18 and 23.6 are the first to run TypeScript sources as they are. */
function canRunTally(version) {
  const [major, minor] = version.split(".").map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

async function run() {
  if (process.env.TALLY_REEXECUTED) stopWithParent();
  await cacheCompiledCode();
  const { main } = await load();
  await main(process.argv.slice(2), root);
}

/** A checkout has the sources; a package has dist/ instead, because Node strips no types under node_modules. */
async function load() {
  try {
    if (existsSync(join(root, "src"))) return await import("../src/cli/main.ts");
    return await import("../dist/src/cli/main.js");
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    const what = /^Cannot find package '([^']+)'/.exec(error.message);
    if (what) refuse(`${root} lacks the package ${what[1]}: run "npm ci" there, or install Tally again.`);
    if (existsSync(join(root, "dist"))) throw error;
    refuse(`The package in ${root} was packed without its code: pack it with "npm run pack".`);
  }
}

/**
 * A start then takes a third less of the processor. Kept in the package if that can be written, and not in the
 * folder for temporary files, where others could put code.
 */
async function cacheCompiledCode() {
  const folder = process.env.NODE_COMPILE_CACHE || join(root, "node_modules/.cache/tally");
  process.env.NODE_COMPILE_CACHE = folder; // Worker threads look here.
  const { enableCompileCache } = await import("node:module");
  enableCompileCache(folder);
}

/**
 * Should the parent be killed outright, nobody would know that this process still holds the port and the store. It is told of
 * an end with an exit code, for Node.js shows it that of a signal without a name as one with 0.
 */
function stopWithParent() {
  delete process.env.TALLY_REEXECUTED;
  process.once("exit", () => process.connected && process.send("exit"));
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  if (process.channel) process.channel.unref();
}

/** Exit codes: src/cli/exit.ts. */
function refuse(sentence) {
  console.error(`tally: ${sentence}`);
  process.exit(69);
}
