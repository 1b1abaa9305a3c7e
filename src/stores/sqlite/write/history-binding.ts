import type { Database, Statement } from "better-sqlite3";

/** A commit of the change log, and what tells it from others that could stand there. */
export interface LogPlace {
  readonly position: number;
  /** A checksum over it; undefined where it is not there to be asked for. */
  readonly sum: number | undefined;
}

/** How far a history is, as it is told to the thread that writes. */
export interface HistoryTold {
  /** Up to where it is on disk, whatever happens. */
  readonly durable: LogPlace;
  /** Up to where it has come. */
  readonly taken: number;
  /** Whether the log is to keep what is not durable there. */
  readonly holds: boolean;
}

/**
 * What the data file's history is bound to it by; see history/belonging.ts. Where the log drops what a history lacks, or
 * drops anything at all, it notes how far that was: so a history that is behind what the log still has can be told from one
 * of another time of the file.
 */
export class HistoryBinding {
  readonly #read: Statement<[], { log_id: string | null; position: bigint | null; sum: bigint | null }>;
  readonly #name: Statement<[string | null]>;
  readonly #note: Statement<[bigint, bigint | null]>;
  #told: HistoryTold | undefined;

  constructor(db: Database) {
    this.#read = db.prepare("SELECT log_id, position, sum FROM history_binding");
    this.#name = db.prepare("UPDATE history_binding SET log_id = ?, position = NULL, sum = NULL");
    this.#note = db.prepare("UPDATE history_binding SET position = ?, sum = ?");
  }

  /** Whether the log has an id. */
  get isNamed(): boolean {
    return this.#read.get()?.log_id != null;
  }

  /** Give the log an id; undefined takes it away. Inside the caller's transaction. */
  name(id: string | undefined): void {
    this.#name.run(id ?? null);
  }

  /** How far a history is, which there is from now on. */
  tell(told: HistoryTold | undefined): void {
    this.#told = told;
  }

  /** The oldest commit that is to be kept for it: the last one that it has is what shows that it belongs here. */
  get holdsFrom(): bigint | undefined {
    const { holds = false, durable } = this.#told ?? {};
    return holds ? BigInt(durable!.position) : undefined;
  }

  /** Note how far it is on disk. Inside the caller's transaction. */
  note(): void {
    const { position, sum } = this.#told?.durable ?? {};
    const noted = this.#read.get();
    if (position === undefined || noted?.position === BigInt(position)) return;
    this.#note.run(BigInt(position), sum === undefined ? null : BigInt(sum));
  }
}
