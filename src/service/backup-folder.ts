import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BackupMaking } from "./store-backup.ts";

/** A good backup in the folder. */
export interface KeptBackup {
  readonly file: string;
  /** When it was begun, in milliseconds since the Unix epoch. */
  readonly time: number;
  readonly bytes: number;
}

/** The folder of a store's backups: which are there, by their names, and all there. What else is in it is nobody's business. */
export class BackupFolder {
  /** Absolute. */
  readonly path: string;
  readonly #making: Pick<BackupMaking, "name" | "isWhole">;
  readonly #told: (name: string) => void;
  /** Those that are cut off or damaged, as was last seen. */
  #unwhole: readonly string[] = [];

  /** @param told  told of each that is not whole, by its name, once */
  constructor(path: string, making: Pick<BackupMaking, "name" | "isWhole">, told: (name: string) => void) {
    this.path = resolve(path);
    this.#making = making;
    this.#told = told;
  }

  /** The names of those that are no whole backups, and count for none: as was last seen. */
  get unwhole(): readonly string[] {
    return this.#unwhole;
  }

  /** Where one that is begun at some time is to be made. */
  fileAt(time: number): string {
    return join(this.path, nameAt(this.#making.name, time));
  }

  /** Those that are whole, the oldest first. A folder that is not there is told of when something is to be made in it. */
  whole(): KeptBackup[] {
    const kept: KeptBackup[] = [];
    const unwhole: string[] = [];
    for (const name of this.#names()) {
      const file = join(this.path, name);
      const found = statSync(file, { throwIfNoEntry: false });
      if (found?.isFile() !== true) continue;
      if (this.#making.isWhole(file)) kept.push({ file, time: timeIn(name), bytes: found.size });
      else unwhole.push(name);
    }
    for (const name of unwhole) if (!this.#unwhole.includes(name)) this.#told(name);
    this.#unwhole = unwhole;
    return kept;
  }

  /** Of the store's backups, by their times. */
  #names(): string[] {
    const start = `${this.#making.name}-`;
    let names: string[];
    try {
      names = readdirSync(this.path);
    } catch {
      return [];
    }
    return names.filter((name) => name.startsWith(start) && TIME.test(name.slice(start.length))).sort();
  }
}

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
