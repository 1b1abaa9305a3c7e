import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The first Node.js on the PATH that cannot run Tally. The gate sees to it that there is one. */
export function findOldNode(): { path: string; version: string } | undefined {
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
