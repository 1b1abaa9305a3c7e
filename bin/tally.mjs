#!/usr/bin/env node
// The `tally` command. It has no static imports and knows only old syntax, because an old Node.js must get as far
// as the check below: there the sources do not parse, and the SQLite binding ends the process with a segfault.
const root = new URL("..", import.meta.url);

if (canRunTally(process.versions.node)) await run();
else await runOnNewerNode();

/** 22.18 and 23.6 are the first to run TypeScript sources as they are. */
function canRunTally(version) {
  const [major, minor] = version.split(".").map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** A packed Tally has dist/; Node strips no types under node_modules. */
async function run() {
  const { existsSync } = await import("node:fs");
  if (process.env.TALLY_REEXECUTED) stopWithParent();
  const built = new URL("dist/src/cli/main.js", root);
  const { main } = await import(existsSync(built) ? built.href : new URL("src/cli/main.ts", root).href);
  await main(process.argv.slice(2), root);
}

/** Run this command again on the Node.js that the package brings with it, as if it had been that from the start. */
async function runOnNewerNode() {
  const { existsSync } = await import("node:fs");
  const { fileURLToPath } = await import("node:url");
  const inCheckout = fileURLToPath(new URL("node_modules/.bin/node", root));
  const asDependency = fileURLToPath(new URL("../.bin/node", root));
  const node = [inCheckout, asDependency].find((path) => existsSync(path));
  if (node === undefined || process.env.TALLY_REEXECUTED) {
    const found = `this is ${process.versions.node} (${process.execPath})`;
    console.error(
      `tally: Tally needs Node.js 22.18 or newer, and ${found}; install Node.js 24, or run \`npm ci\` here.`,
    );
    process.exit(69);
  }
  const { spawn } = await import("node:child_process");
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, TALLY_REEXECUTED: "1" },
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("error", (error) => {
    console.error(`tally: cannot run ${node}: ${error.message}.`);
    process.exit(69);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** Should the parent be killed outright, nobody would know that this process still holds the port and the store. */
function stopWithParent() {
  delete process.env.TALLY_REEXECUTED;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}
