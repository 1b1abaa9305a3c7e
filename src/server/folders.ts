import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import type { Config } from "../config.ts";
import { StartError } from "../start-error.ts";

/**
 * Refuse a path that is to be a folder and is something else, which it will not become. One that is not there may be mounted yet,
 * and one that does not answer is nobody's to wait for: what is to be written there says so.
 *
 * @throws StartError STORE_UNREACHABLE
 */
export async function assertFoldersOf(config: Pick<Config, "backupDir" | "archiveDir">): Promise<void> {
  const { backupDir, archiveDir } = config;
  for (const [name, path] of [
    ["backup-dir", backupDir],
    ["archive-dir", archiveDir],
  ] as const) {
    if (path === undefined) continue;
    const kind = await Promise.race([kindOf(path), after(PATIENCE_MS, undefined, { ref: false })]);
    if (kind === undefined) continue;
    throw new StartError(
      "STORE_UNREACHABLE",
      `${name} is ${resolve(path)}, which is ${kind}; expected a folder: move that away and make one, or give another path.`,
    );
  }
}

const PATIENCE_MS = 1_000;

/** What stands there that is no folder. */
async function kindOf(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return undefined;
    if (found.isFIFO()) return "a pipe (FIFO)";
    if (found.isSocket()) return "a socket";
    return found.isFile() ? "a file" : "a device";
  } catch {
    return undefined;
  }
}
