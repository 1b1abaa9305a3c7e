import { renameSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import type { BackedUp, BackupManifest, CopyingProgress } from "../../../service/store-backup.ts";
import type { Finding } from "../../../service/store-findings.ts";
import { unusable } from "../../shared/unusable.ts";
import { beside, type Serving } from "../file/beside.ts";
import { realPathOf } from "../file/real-path.ts";
import { historyPathOf } from "../history/path.ts";
import { startFailure } from "../start-failure.ts";
import { verifyFile } from "../verify/verify.ts";
import { type Copied, copyFiles } from "./copies.ts";
import { DATA, FORMAT, HISTORY } from "./manifest.ts";
import { Pace } from "./pace.ts";
import {
  assertNothingAt,
  assertRoom,
  isFull,
  type Scratch,
  scratchAt,
  scratchIn,
  syncFolder,
} from "./scratch.ts";
import { describeFile, tarOf, writeAll } from "./tar.ts";

/** How a backup is made. */
export interface BackupOptions {
  /** The file to make, which is not there yet; or where the bytes of the backup go, one piece after another. */
  readonly to: string | ((piece: Buffer) => Promise<void>);
  /** Where what is not whole yet is kept; beside the file, or in the system's folder for that, unless given. */
  readonly scratch: string | undefined;
  /** The folder in which it is until it is whole, on the disk of the file; beside it, ending in ".part", unless given. */
  readonly part?: string;
  /** How much is read and written a second, at most. */
  readonly bytesPerSecond: number;
  readonly clock: { now(): number; monotonic(): number };
  readonly onProgress: (progress: CopyingProgress) => void;
  /** Told what the operator is to know: a sentence. */
  readonly warn: (sentence: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Back up a data file and the history beside it, whether or not a server has them: copy both, verify the copies, and put them
 * into one file, which has its name only once all of it is on disk.
 *
 * @param path  of the data file
 * @throws TallyError STORE_UNAVAILABLE  with one sentence for the operator; then nothing is left
 */
export async function backupSqlite(path: string, options: BackupOptions): Promise<BackedUp> {
  const real = await realPathOf(path);
  const to = typeof options.to === "string" ? resolve(options.to) : undefined;
  const opened: Scratch[] = [];
  try {
    if (to !== undefined) {
      assertNothingAt(to);
      opened.push(scratchAt(options.part ?? `${to}.part`)); // In its own folder: it gets its name by a rename.
    }
    const apart = options.scratch ?? (to === undefined ? tmpdir() : undefined);
    if (apart !== undefined) opened.push(scratchIn(resolve(apart)));
    return await new Backup(real, opened, to, options).make();
  } catch (error) {
    throw startFailure(real, failureOf(error, real, to, opened));
  } finally {
    for (const scratch of opened) scratch.remove();
  }
}

/** What SQLite and the system tell of disks is about the store's or about the backup's; which, they do not say. */
function failureOf(
  error: unknown,
  path: string,
  to: string | undefined,
  scratch: readonly Scratch[],
): unknown {
  const { code = "", message } = error as { code?: string; message?: string };
  const isOfDisk = /^(SQLITE_(FULL|IOERR)|ENOSPC$|EIO$|EDQUOT$)/.test(code);
  if (!isOfDisk) return error;
  if (/FULL|ENOSPC|EDQUOT/.test(code) || scratch.some(({ folder }) => isFull(folder)))
    return unusable(
      `There is no room for the backup${to === undefined ? "" : ` ${to}`}; nothing is left of it.`,
      error,
    );
  return unusable(`${path} could not be backed up: ${message} (${code}); nothing is left of it.`, error);
}

class Backup {
  readonly #path: string;
  /** Where the copies are, and what becomes the backup. */
  readonly #copies: string;
  readonly #part: string;
  readonly #to: string | undefined;
  readonly #options: BackupOptions;
  readonly #pace: Pace;

  constructor(path: string, scratch: readonly Scratch[], to: string | undefined, options: BackupOptions) {
    this.#path = path;
    this.#part = scratch[0]!.folder;
    this.#copies = scratch.at(-1)!.folder;
    this.#to = to;
    this.#options = options;
    this.#pace = new Pace(options.bytesPerSecond, () => options.clock.monotonic());
  }

  async make(): Promise<BackedUp> {
    const copy = join(this.#copies, "copy.db");
    const { served, copied } = await beside(this.#path, async (serving) => ({
      served: serving !== undefined,
      copied: await this.#copy(copy, serving),
    }));
    if (copied.historyLeft !== undefined)
      this.#options.warn(`The history is not in the backup: ${copied.historyLeft}.`);
    const checked = await this.#verify(copy);
    const pathOf = (name: string) => (name === HISTORY ? historyPathOf(copy) : copy);
    const manifest = await manifestOf(copied, checked, pathOf);
    const bytes = await this.#write(manifest, pathOf);
    return { store: `SQLite ${this.#path}`, manifest, bytes, served };
  }

  #copy(into: string, serving: Serving | undefined): Promise<Copied> {
    const { clock, onProgress, signal } = this.#options;
    return copyFiles(this.#path, into, {
      ...{ serving, pace: this.#pace, onProgress, signal, now: () => clock.now() },
      assertRoom: (bytes) => {
        const isSame = this.#to !== undefined && this.#part === this.#copies;
        assertRoom(this.#copies, isSame ? 2 * bytes : bytes);
        if (this.#to !== undefined) assertRoom(this.#part, bytes);
      },
    });
  }

  /** What is damaged is not kept as a backup; but of a history it is a gap, which it stays. */
  async #verify(copy: string): Promise<Checked> {
    const { onProgress, signal, warn } = this.#options;
    const { findings, counters } = await verifyFile(copy, {
      ...{ serving: undefined, signal },
      onProgress: ({ rows }) => onProgress({ doing: "checked", bytes: rows, of: undefined }),
    });
    const [first] = findings.filter((finding) => !isOfHistory(finding) && finding.code !== "KEY_USE_DAMAGED");
    if (first !== undefined)
      throw unusable(
        `${this.#path} is damaged, and was not backed up: ${first.name}, ${first.about}. ` +
          "`tally verify` says all that is, and what mends it; `cp` of its files, with the server stopped, takes it as it is.",
      );
    if (findings.some(({ code }) => code === "KEY_USE_DAMAGED"))
      warn("When some keys were last used is damaged, and is in the backup as it is.");
    if (findings.some(isOfHistory))
      warn("Some of the history is damaged, and is in the backup as it is: `tally verify` says what.");
    return { counters, findings: findings.length };
  }

  /** @returns  how many bytes it has */
  async #write(manifest: BackupManifest, pathOf: (name: string) => string): Promise<number> {
    const { to } = this.#options;
    if (typeof to !== "string") return this.#send(manifest, pathOf, to);
    const part = join(this.#part, "backup.tar");
    const file = await open(part, "wx", 0o600);
    let bytes: number;
    try {
      bytes = await this.#send(manifest, pathOf, (piece) => writeAll(file, piece));
      await file.sync();
    } finally {
      await file.close();
    }
    assertNothingAt(this.#to!);
    renameSync(part, this.#to!);
    await syncFolder(dirname(this.#to!));
    return bytes;
  }

  async #send(
    manifest: BackupManifest,
    pathOf: (name: string) => string,
    send: (piece: Buffer) => Promise<void>,
  ): Promise<number> {
    const { signal, onProgress } = this.#options;
    const of = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
    let sent = 0;
    for await (const piece of tarOf(manifest, pathOf)) {
      if (signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
      this.#pace.spendNow(piece.length);
      await send(piece);
      sent += piece.length;
      onProgress({ doing: "written", bytes: sent, of });
    }
    return sent;
  }
}

/** What was found of a copy. */
interface Checked {
  readonly counters: number;
  readonly findings: number;
}

function isOfHistory({ code }: Finding): boolean {
  return code === "HISTORY_DAMAGED" || code === "HISTORY_DIFFERS";
}

async function manifestOf(
  copied: Copied,
  { counters, findings }: Checked,
  pathOf: (name: string) => string,
): Promise<BackupManifest> {
  const { schema, historySchema, position, time, storeId, logId } = copied;
  const names = historySchema === null ? [DATA] : [DATA, HISTORY];
  const files = [];
  for (const name of names) files.push(await describeFile(pathOf(name), name));
  return {
    format: FORMAT,
    ...{ schema, historySchema, position: `${position}`, time: new Date(time).toISOString() },
    ...{ storeId, logId, counters, findings, files },
  };
}
