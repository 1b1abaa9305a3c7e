import { readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Clock } from "../core/clock.ts";
import { TallyError } from "../core/errors.ts";
import type { Telemetry } from "../telemetry.ts";
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
export interface LastBackup {
  readonly file: string;
  /** When it was begun, in milliseconds since the Unix epoch. */
  readonly time: number;
  readonly bytes: number;
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
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #stop = new AbortController();
  #last: LastBackup | undefined;
  /** Why the one that was tried last failed; undefined when it did not. */
  #failure: string | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(making: BackupMaking, settings: BackupSettings, clock: Clock, telemetry: Telemetry) {
    const { dir, everyMs } = settings;
    this.#making = making;
    this.#settings = { ...settings, dir: dir === undefined ? undefined : resolve(dir) };
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#last = this.#newest();
    if (everyMs !== undefined && dir !== undefined) {
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
    return this.#failure === undefined ? [] : [`The last backup failed: ${this.#failure}`];
  }

  /** One is due now, whenever the next would have been. */
  soon(): void {
    this.#dueMs = Math.min(this.#dueMs, this.#clock.monotonic());
  }

  /** Begin one if it is time. @returns  what resolves when the one that is made has ended; undefined while none is */
  look(): Promise<void> | undefined {
    const { everyMs, dir } = this.#settings;
    const now = this.#clock.monotonic();
    if (everyMs === undefined || dir === undefined || now < this.#dueMs || this.#stop.signal.aborted)
      return this.#running;
    this.#dueMs += everyMs * Math.max(1, Math.ceil((now - this.#dueMs) / everyMs));
    if (this.#running !== undefined) {
      this.#telemetry.log("backup.skipped");
      return this.#running;
    }
    this.#running = this.#make(dir, everyMs).finally(() => {
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
    const { bytesPerSecond, dir = folder } = this.#settings;
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

  async #make(dir: string, everyMs: number): Promise<void> {
    const { log, metrics } = this.#telemetry;
    const { bytesPerSecond } = this.#settings;
    const [time, beganMs] = [this.#clock.now(), this.#clock.monotonic()];
    const file = join(dir, nameAt(this.#making.name, time));
    const warn = (detail: string) => log("backup.warning", { detail });
    try {
      const part = join(dir, `${this.#making.name}-backup.part`);
      const { bytes } = await this.#making.make({
        ...{ to: file, part, bytesPerSecond, signal: this.#stop.signal, warn },
      });
      const seconds = Math.round(this.#clock.monotonic() - beganMs) / 1_000;
      this.#last = { file, time, bytes, seconds };
      this.#failure = undefined;
      this.#measure();
      log("backup.made", { file, bytes, seconds });
      this.#thinOut(dir, file);
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      if (this.#stop.signal.aborted) return;
      this.#failure = `${error.message.replace(/\.$/, "")}.`;
      metrics.numbers[metrics.placeOf("backupFailures", {})]!++;
      this.#dueMs = Math.min(this.#dueMs, beganMs + Math.min(everyMs, RETRY_MS));
      log("backup.failed", { detail: this.#failure, err: error.cause });
    }
  }

  /** The oldest give way, but never the one that was just made, whatever its name says. */
  #thinOut(dir: string, made: string): void {
    const { log } = this.#telemetry;
    const others = this.#namesIn(dir).filter((name) => join(dir, name) !== made);
    for (const name of others.slice(0, Math.max(others.length - this.#settings.keep + 1, 0))) {
      try {
        rmSync(join(dir, name));
      } catch (err) {
        log("backup.warning", { detail: `${name} is one too many, and cannot be removed.`, err });
      }
    }
  }

  /** One of a time that has not come tells nothing of when the next is due: a clock was ahead, or somebody named it so. */
  #newest(): LastBackup | undefined {
    const { dir } = this.#settings;
    if (dir === undefined) return undefined;
    const now = this.#clock.now();
    for (const name of this.#namesIn(dir).reverse()) {
      const [file, time] = [join(dir, name), timeIn(name)];
      const found = statSync(file, { throwIfNoEntry: false });
      if (time <= now && found?.isFile() && found.size > 0)
        return { file, time, bytes: found.size, seconds: undefined };
    }
    return undefined;
  }

  /** Of the store's backups, by their times. A folder that is not there is told of when something is to be made in it. */
  #namesIn(dir: string): string[] {
    const start = `${this.#making.name}-`;
    let names: string[];
    try {
      names = readdirSync(dir);
    } catch {
      return [];
    }
    return names.filter((name) => name.startsWith(start) && TIME.test(name.slice(start.length))).sort();
  }

  #measure(): void {
    if (this.#last === undefined) return;
    this.#set("backupLastTime", this.#last.time / 1_000);
    this.#set("backupLastBytes", this.#last.bytes);
    this.#set("backupLastSeconds", this.#last.seconds ?? 0);
  }

  #set(
    key: "backupEverySeconds" | "backupLastTime" | "backupLastBytes" | "backupLastSeconds",
    value: number,
  ): void {
    const { metrics } = this.#telemetry;
    metrics.numbers[metrics.placeOf(key, {})] = value;
  }
}

/** Look for when one is due. @returns  what ends that, and the one that is made */
export function startBackups(backups: Backups): { close(): Promise<void> } {
  const timer = setInterval(() => void backups.look(), LOOK_EVERY_MS);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      return backups.close();
    },
  };
}

const LOOK_EVERY_MS = 1_000;
/** What is in the way may be gone by then; a day later is late. */
const RETRY_MS = 3_600_000;

/** "tally.db-2026-11-29T16-30-00Z.tar": without colons, which some systems do not have in names. */
function nameAt(name: string, time: number): string {
  const at = new Date(time)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replaceAll(":", "-");
  return `${name}-${at}.tar`;
}

const TIME = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z\.tar$/;

function timeIn(name: string): number {
  const [, date, hours, minutes, seconds] = TIME.exec(name.slice(-TIME_LENGTH))!;
  return Date.parse(`${date}T${hours}:${minutes}:${seconds}Z`);
}

const TIME_LENGTH = "2026-11-29T16-30-00Z.tar".length;
