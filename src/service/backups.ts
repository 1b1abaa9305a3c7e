import { rmSync } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { TallyError } from "../core/errors.ts";
import type { Telemetry } from "../telemetry.ts";
import { BackupFolder, type KeptBackup } from "./backup-folder.ts";
import type { BackupMaking } from "./store-backup.ts";

/** Where backups are made, how often, and how many are kept. */
export interface BackupSettings {
  /** The folder; undefined: none are made by themselves. */
  readonly dir: string | undefined;
  /** From the beginning of one to that of the next, in milliseconds; undefined: none are made by themselves. */
  readonly everyMs: number | undefined;
  /** How many are kept, 1 and up. */
  readonly keep: number;
  readonly bytesPerSecond: number;
}

/** The newest good backup in the folder. */
export interface LastBackup extends KeptBackup {
  /** How long it took; undefined of one that was made before this process began. */
  readonly seconds: number | undefined;
}

/** A backup that somebody takes away. */
export interface TakenBackup {
  readonly bytes: number;
  /** To be closed by who takes it. */
  readonly file: FileHandle;
}

/**
 * The backups that a server makes of its store: one at a time, at their times, into a folder in which the oldest give way.
 *
 * Times go by the clock that does not jump; only where the first one falls is reckoned from the newest file that is there.
 */
export class Backups {
  readonly #making: BackupMaking;
  readonly #settings: BackupSettings;
  readonly #folder: BackupFolder | undefined;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #stop = new AbortController();
  #last: LastBackup | undefined;
  /** Why the one that was tried last failed; undefined when it did not. */
  #failure: string | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** When the one that was made last was begun, by the clock that does not jump. */
  #begunMs = Number.NEGATIVE_INFINITY;
  /** What was the newest, and is gone, while there is no other. */
  #gone: LastBackup | undefined;
  #glancing = false;
  #running: Promise<void> | undefined;

  constructor(making: BackupMaking, settings: BackupSettings, clock: Clock, telemetry: Telemetry) {
    const { dir, everyMs } = settings;
    this.#making = making;
    this.#settings = settings;
    this.#folder =
      dir === undefined
        ? undefined
        : new BackupFolder(dir, making, (file) => telemetry.log("backup.damaged", { file }));
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#last = this.#newest();
    if (everyMs !== undefined && this.#folder !== undefined) {
      const sinceMs = clock.now() - (this.#last?.time ?? Number.NEGATIVE_INFINITY);
      this.#dueMs = clock.monotonic() + Math.max(everyMs - sinceMs, 0);
      this.#set("backupEverySeconds", everyMs / 1_000);
    }
    this.#measure();
  }

  get last(): LastBackup | undefined {
    return this.#last;
  }

  /** What is wrong with them now, a sentence each. */
  get warnings(): readonly string[] {
    const unwhole = this.#folder?.unwhole ?? [];
    const gone = this.#gone && basename(this.#gone.file);
    return [
      ...(gone === undefined ? [] : [`${gone} is gone from backup-dir, and there is no other backup in it.`]),
      ...(this.#failure === undefined ? [] : [`The last backup failed: ${this.#failure}`]),
      ...unwhole.map(
        (name) => `${name} in backup-dir is no whole backup, and counts for none: move it away.`,
      ),
    ];
  }

  /** One is due now, whenever the next would have been. */
  soon(): void {
    this.#dueMs = Math.min(this.#dueMs, this.#clock.monotonic());
  }

  /**
   * Find out whether the newest still is there, for without it a restore begins with an older one, or none. When it is gone another
   * is made: at once, or an hour after the one before, for somebody may take away each.
   *
   * A folder that hangs is waited for. What cannot be looked at is taken to be as it was.
   */
  async glance(): Promise<void> {
    const [folder, last, expected] = [this.#folder, this.#last, this.#last ?? this.#gone];
    if (folder === undefined || expected === undefined || this.#glancing) return;
    this.#glancing = true;
    try {
      const isThere = await isFile(expected.file);
      if (this.#last !== last || isThere === (last !== undefined)) return;
      const newest = this.#newest();
      this.#last = newest?.file === expected.file ? expected : newest; // Its name has the second, not all of its time.
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      return;
    } finally {
      this.#glancing = false;
    }
    this.#gone = this.#last === undefined ? expected : undefined;
    this.#measure();
    if (last === undefined) return;
    this.#telemetry.log("backup.gone", { file: last.file });
    const { everyMs } = this.#settings;
    if (everyMs === undefined) return;
    const soonestMs = this.#begunMs + Math.min(everyMs, RETRY_MS);
    this.#dueMs = Math.min(this.#dueMs, Math.max(this.#clock.monotonic(), soonestMs));
  }

  /** Begin one if it is time. @returns  what resolves when the one that is made has ended; undefined while none is */
  look(): Promise<void> | undefined {
    const { everyMs } = this.#settings;
    const folder = this.#folder;
    const now = this.#clock.monotonic();
    if (everyMs === undefined || folder === undefined || now < this.#dueMs || this.#stop.signal.aborted)
      return this.#running;
    this.#dueMs += everyMs * Math.max(1, Math.ceil((now - this.#dueMs) / everyMs));
    if (this.#running !== undefined) {
      this.#telemetry.log("backup.skipped");
      return this.#running;
    }
    this.#running = this.#make(folder, everyMs).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * Make one for somebody who takes it away.
   *
   * @param signal  ends it
   * @returns       its file, which has no name any more; undefined: another one is being made
   * @throws TallyError  as BackupMaking.make
   */
  async take(signal: AbortSignal): Promise<TakenBackup | undefined> {
    if (this.#running !== undefined || this.#stop.signal.aborted) return undefined;
    const taking = this.#take(AbortSignal.any([signal, this.#stop.signal]));
    this.#running = taking
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#running = undefined;
      });
    return taking;
  }

  async #take(signal: AbortSignal): Promise<TakenBackup> {
    const { name, folder } = this.#making;
    const { bytesPerSecond } = this.#settings;
    const dir = this.#folder?.path ?? folder;
    const [to, part] = [join(dir, `${name}-taken.tar`), join(dir, `${name}-backup.part`)];
    rmSync(to, { force: true }); // Of a process that was killed before it had opened it.
    const warn = (detail: string) => this.#telemetry.log("backup.warning", { detail });
    const { bytes } = await this.#making.make({ to, part, bytesPerSecond, signal, warn });
    const file = await open(to, "r");
    await rm(to); // However this ends, nothing of it is left.
    return { bytes, file };
  }

  /** Stop the one that is made, of which nothing is left; none is begun any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #make(folder: BackupFolder, everyMs: number): Promise<void> {
    const { log, metrics } = this.#telemetry;
    const { bytesPerSecond } = this.#settings;
    const [time, beganMs] = [this.#clock.now(), this.#clock.monotonic()];
    const file = folder.fileAt(time);
    const warn = (detail: string) => log("backup.warning", { detail });
    try {
      const part = join(folder.path, `${this.#making.name}-backup.part`);
      const { bytes } = await this.#making.make({
        ...{ to: file, part, bytesPerSecond, signal: this.#stop.signal, warn },
      });
      const seconds = Math.round(this.#clock.monotonic() - beganMs) / 1_000;
      this.#last = { file, time, bytes, seconds };
      this.#begunMs = beganMs;
      this.#gone = undefined;
      this.#failure = undefined;
      this.#measure();
      log("backup.made", { file, bytes, seconds });
      this.#thinOut(folder, file);
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      if (this.#stop.signal.aborted) return;
      this.#failure = `${error.message.replace(/\.$/, "")}.`;
      metrics.numbers[metrics.placeOf("backupFailures", {})]!++;
      this.#dueMs = Math.min(this.#dueMs, beganMs + Math.min(everyMs, RETRY_MS));
      log("backup.failed", { detail: this.#failure, err: error.cause });
    }
  }

  /** The oldest give way, but never the one that was just made, whatever its name says. What is not whole is none. */
  #thinOut(folder: BackupFolder, made: string): void {
    const { log } = this.#telemetry;
    const others = folder.whole().filter(({ file }) => file !== made);
    for (const { file } of others.slice(0, Math.max(others.length - this.#settings.keep + 1, 0))) {
      try {
        rmSync(file);
      } catch (err) {
        log("backup.warning", { detail: `${basename(file)} is one too many, and cannot be removed.`, err });
      }
    }
  }

  /** One of a time that has not come tells nothing of when the next is due: a clock was ahead, or somebody named it so. */
  #newest(): LastBackup | undefined {
    const now = this.#clock.now();
    const last = this.#folder?.whole().findLast(({ time }) => time <= now);
    return last && { ...last, seconds: undefined };
  }

  #measure(): void {
    const { time = 0, bytes = 0, seconds = 0 } = this.#last ?? {};
    this.#set("backupLastTime", time / 1_000);
    this.#set("backupLastBytes", bytes);
    this.#set("backupLastSeconds", seconds);
  }

  #set(
    key: "backupEverySeconds" | "backupLastTime" | "backupLastBytes" | "backupLastSeconds",
    value: number,
  ): void {
    const { metrics } = this.#telemetry;
    metrics.numbers[metrics.placeOf(key, {})] = value;
  }
}

/** @throws what keeps it from being looked at */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}

/** Look for when one is due. @returns  what ends that, and the one that is made */
export function startBackups(backups: Backups): { close(): Promise<void> } {
  const timer = setInterval(() => {
    void backups.glance();
    void backups.look();
  }, LOOK_EVERY_MS);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      return backups.close();
    },
  };
}

const LOOK_EVERY_MS = 1_000;
/** What is in the way may be gone by then; a day later is late. Who moves each backup away does not have them made without end. */
const RETRY_MS = 3_600_000;
