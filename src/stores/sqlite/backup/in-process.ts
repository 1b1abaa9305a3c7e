import { fork } from "node:child_process";
import { basename, dirname } from "node:path";
import { type ErrorCode, TallyError } from "../../../core/errors.ts";
import type { BackedUp, BackupMaking, BackupToMake } from "../../../service/store-backup.ts";
import { isWholeBackup } from "./whole.ts";

/** What the process is asked, once. */
export interface BackupRequest {
  readonly path: string;
  readonly to: string;
  readonly part: string;
  readonly bytesPerSecond: number;
}

/** What it answers before it ends. */
export type BackupAnswer =
  | { readonly made: BackedUp; readonly warnings: readonly string[] }
  | { readonly refused: { readonly code: ErrorCode; readonly message: string } };

/**
 * Backups of a file that this process serves, made by another one: to read the file here would be to open it by other means
 * than the connections that have it, and whatever the copy does to memory and the event loop would be done to callers.
 *
 * @param path  the real path of the data file
 */
export function backupsOf(path: string): BackupMaking {
  return {
    name: basename(path),
    folder: dirname(path),
    make: (options) => make(path, options),
    isWhole: isWholeBackup,
  };
}

async function make(
  path: string,
  { to, part, bytesPerSecond, signal, warn }: BackupToMake,
): Promise<BackedUp> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const module = new URL(`./backup-worker${extension}`, import.meta.url);
  const child = fork(module, [], {
    // Nothing of what this process was started with: its environment may have secrets, and its flags are its own.
    env: {},
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<BackupAnswer>();
  let answer: BackupAnswer | undefined;
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill("SIGTERM");
    killing ??= setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  };
  child.once("message", (message) => {
    answer = message as BackupAnswer;
  });
  child.once("error", reject); // It could not be started.
  child.once("exit", (code, by) => {
    clearTimeout(killing);
    if (answer !== undefined) resolve(answer);
    else reject(new Error(`the process ended with ${by ?? `code ${code}`}`));
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    child.send({ path, to, part, bytesPerSecond } satisfies BackupRequest, () => {}); // A failure shows as its end.
    const told = await promise;
    if ("refused" in told) throw new TallyError(told.refused.code, told.refused.message);
    for (const sentence of told.warnings) warn(sentence);
    return told.made;
  } catch (error) {
    if (signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped", { cause: error });
    if (error instanceof TallyError) throw error;
    const why = `The backup failed: ${(error as Error).message}; what it left goes with the next one`;
    throw new TallyError("STORE_UNAVAILABLE", why, { cause: error });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What it has made so far is to go; one that does not come to it is killed, and the next one takes that away. */
const STOP_MS = 5_000;
