// What bin/tally.mjs does on a Node.js that is too old for Tally. In the syntax of Node.js 12, for that reason.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

/** Of nodejs.org's binaries as npm has them, the one for this machine. */
const PACKAGED = `node-linux-${process.arch}`;

/**
 * Run the command again on a newer Node.js of this machine, as if it had been that from the start; without one say
 * what to do.
 */
export function runOnNewerNode({ self, root, canRunTally }) {
  const node = process.env.TALLY_REEXECUTED ? undefined : findNode(root, canRunTally);
  if (node === undefined) return refuse(whatToDo(root));
  const child = spawn(node, [...process.execArgv, self, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"], // The channel closes when this process ends, however it does.
    // Who watches over this process is told by that one.
    env: { ...process.env, TALLY_REEXECUTED: "1", ...(process.env.WATCHDOG_PID && { WATCHDOG_PID: "" }) },
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

/** The first that is new enough: Tally's own, what the user's PATH has, the newest of a version manager. */
function findNode(root, canRunTally) {
  const candidates = [...ownNodes(root), ...nodesOnPath(), ...managedNodes()];
  return candidates.find((path) => existsSync(path) && canRunTally(versionOf(path)));
}

function ownNodes(root) {
  return [
    join(root, "node_modules/.bin/node"),
    join(root, "node_modules", PACKAGED, "bin/node"), // npm 10 unpacks it and leaves the link out.
    join(root, "../.bin/node"), // When Tally is somebody's dependency.
    join(ownFolder(), "node_modules", PACKAGED, "bin/node"),
  ];
}

/** Where the user can give Tally a Node.js that no other program sees. */
function ownFolder() {
  return join(process.env.XDG_DATA_HOME || join(homedir(), ".local/share"), "tally");
}

function nodesOnPath() {
  const folders = (process.env.PATH || "").split(delimiter);
  return folders.filter((folder) => isAbsolute(folder)).map((folder) => join(folder, "node"));
}

/** Each has a folder for every version it has installed. */
function managedNodes() {
  const { env } = process;
  const home = homedir();
  const found = [
    [env.NVM_DIR || join(home, ".nvm"), "versions/node", "bin/node"],
    [env.FNM_DIR || join(home, ".local/share/fnm"), "node-versions", "installation/bin/node"],
    [join(home, ".fnm"), "node-versions", "installation/bin/node"],
    [env.VOLTA_HOME || join(home, ".volta"), "tools/image/node", "bin/node"],
    [env.ASDF_DATA_DIR || join(home, ".asdf"), "installs/nodejs", "bin/node"],
    [env.MISE_DATA_DIR || join(home, ".local/share/mise"), "installs/node", "bin/node"],
    [env.NODENV_ROOT || join(home, ".nodenv"), "versions", "bin/node"],
    [env.N_PREFIX || "/usr/local", "n/versions/node", "bin/node"],
  ].map(([manager, versions, node]) => {
    const folder = join(manager, versions);
    return namesIn(folder).map((name) => ({
      version: name.replace(/^v/, ""),
      path: join(folder, name, node),
    }));
  });
  const nodes = [].concat(...found);
  nodes.sort((a, b) => b.version.localeCompare(a.version, "en", { numeric: true }));
  return nodes.map(({ path }) => path);
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch (_) {
    return []; // Few people have all of them.
  }
}

/** "0.0.0" for what cannot be run here. */
function versionOf(node) {
  try {
    const options = { encoding: "utf8", timeout: 5000, stdio: ["ignore", "pipe", "ignore"] };
    return execFileSync(node, ["--version"], options).trim().slice(1);
  } catch (_) {
    return "0.0.0";
  }
}

function whatToDo(root) {
  const ways = ["install Node.js 24"];
  if (existsSync(join(root, "src"))) ways.push(`run "npm ci" in ${root}`);
  else if (process.platform === "linux" && /^(x64|arm64)$/.test(process.arch)) {
    ways.push(`give Tally one of its own with "npm install --prefix ${ownFolder()} ${PACKAGED}@24"`);
  }
  const found = `this is ${process.versions.node} (${process.execPath}), and no newer one was found`;
  return `Tally needs Node.js 22.18 or newer; ${found}: ${ways.join(", or ")}.`;
}

/** Exit codes: src/cli/exit.ts. */
function refuse(sentence) {
  console.error(`tally: ${sentence}`);
  process.exit(69);
}
