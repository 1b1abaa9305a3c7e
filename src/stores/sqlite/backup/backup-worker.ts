/**
 * The process in which a server has its own files backed up: beside it, as `tally backup` is, and with its lowest priority.
 * It ends by itself when the server does.
 */
import { constants, setPriority } from "node:os";
import { TallyError } from "../../../core/errors.ts";
import { backupSqlite } from "./backup.ts";
import type { BackupAnswer, BackupRequest } from "./in-process.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

const stop = new AbortController();
process.once("disconnect", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {}); // To all of a terminal: its server decides.
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_LOW);
process.once("message", (request: BackupRequest) => void answer(request));

async function answer({ path, to, part, bytesPerSecond }: BackupRequest): Promise<void> {
  const warnings: string[] = [];
  let told: BackupAnswer;
  try {
    const made = await backupSqlite(path, {
      ...{ to, part, bytesPerSecond, scratch: undefined, clock: CLOCK, signal: stop.signal },
      onProgress: () => {},
      warn: (sentence) => void warnings.push(sentence),
    });
    told = { made, warnings };
  } catch (error) {
    if (!(error instanceof TallyError)) throw error;
    told = { refused: { code: error.code, message: error.message } };
  }
  if (process.connected) process.send!(told, () => process.disconnect());
}
