// What bin/tally.mjs does on a Node.js that is too old for Tally. In the syntax of Node.js 12, for that reason.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants, homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

/** Of nodejs.org's binaries as npm has them, the one for this machine. */
const PACKAGED = `node-linux-${process.arch}`;

/**
 * Run the command again on a newer Node.js of this machine, as if it had been that from the start; without one say
 * what to do.
 */
export function runOnNewerNode({ self, root, canRunTally, survived }) {
  const node = process.env.TALLY_REEXECUTED ? undefined : findNode(root, canRunTally);
  if (node === undefined) return refuse(whatToDo(root));
  const args = process.argv.slice(2);
  const child = spawn(node, [...process.execArgv, self, ...args], {
    stdio: stdioFor(args),
    // Who watches over this process is told by that one.
    env: { ...process.env, TALLY_REEXECUTED: "1", ...(process.env.WATCHDOG_PID && { WATCHDOG_PID: "" }) },
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGXCPU", ...survived]) {
    process.on(signal, () => child.kill(signal));
  }
  let exits = false;
  let unnamed; // The number of the signal that ended it, if that is one.
  child.on("message", () => {
    exits = true;
  });
  child.on("disconnect", () => {
    if (!exits) unnamed = endOf(child.pid);
  });
  child.on("error", ({ message }) => refuse(`Cannot run the Node.js at ${node}: ${message}.`));
  child.on("exit", (code, signal) => {
    if (signal === null && (code !== 0 || exits || unnamed === 0)) process.exit(code);
    if (signal === null && unnamed === undefined) {
      refuse("The process that this one had started was ended by a signal, nobody can tell which.", 70);
    }
    const by = signal === null ? unnamed : signal;
    process.removeAllListeners(by); // So that it ends this process as it ended the other.
    process.kill(process.pid, by);
    process.exit(128 + (signal === null ? unnamed : constants.signals[signal])); // Where this one does not end of it.
  });
}

/**
 * What the process has: this one's input and outputs, the pipes that a shell has made of `<(...)`, and a channel, which closes
 * when either process ends, however it does.
 */
function stdioFor(args) {
  const stdio = ["inherit", "inherit", "inherit"];
  for (const [, number] of matchesIn(args.join("\n"), /\/(?:dev|proc\/self)\/fd\/(\d{1,4})(?!\d)/g)) {
    if (existsSync(`/dev/fd/${number}`)) stdio[Number(number)] = Number(number);
  }
  let channel = 3;
  while (stdio[channel] !== undefined) channel++;
  stdio[channel] = "ipc";
  return Array.from(stdio, (each) => (each === undefined ? "ignore" : each));
}

function matchesIn(text, pattern) {
  const found = [];
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) found.push(match);
  return found;
}

/**
 * By which signal a process ended that has closed its channel: Node.js knows no name of the real-time ones, and shows its parent
 * an exit code of 0. Until that is taken the kernel has it.
 *
 * @returns  0 for none; undefined where the system does not tell, or the process goes on
 */
function endOf(pid) {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let looks = 0; looks < 1000; looks++) {
    let fields;
    try {
      fields = readFileSync(`/proc/${pid}/stat`, "latin1")
        .trim()
        .replace(/^.*\) /s, "")
        .split(" ");
    } catch (_) {
      return undefined;
    }
    // The state is the third field, and the last the code as wait(2) has it.
    if (fields[0] === "Z") return Number(fields[fields.length - 1]) & 0x7f;
    Atomics.wait(never, 0, 0, 1);
  }
  return undefined;
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
function refuse(sentence, code = 69) {
  console.error(`tally: ${sentence}`);
  process.exit(code);
}
