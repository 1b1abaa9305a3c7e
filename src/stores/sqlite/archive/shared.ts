/** What the thread that writes and the one that archives say to each other: messages one way, numbers the other. */
import type { ChangeTime } from "./piece.ts";

/** The store as it is found at a start, before anything of its WAL is taken into the file. */
export interface StoreFound {
  /** Of the WAL that stands there, and how many frames of it are committed; undefined and 0 where there is none. */
  readonly salts: string | undefined;
  readonly frames: number;
  /** The ids that the store has; see WalBinding. */
  readonly walId: string | null;
  readonly basedOn: string | null;
  /** The data file, by its size and the time at which it was last written. */
  readonly file: FileMark;
  /** Which folder of the archive is its own. */
  readonly epoch: string;
  /** What tells it from all other stores; null of one that has none yet. */
  readonly storeId: string | null;
}

/** What a file that nobody has written to is known by. */
export interface FileMark {
  readonly bytes: string;
  readonly mtimeNs: string;
}

/** What of a WAL is in the data file, or archived. */
export interface WalPlace {
  readonly salts: string | undefined;
  readonly frames: number;
}

/** How far a WAL is committed, and what is to be known of it. */
export interface WalPoint extends WalPlace {
  /** Of the store; see StoreFound. */
  readonly storeId: string | null;
  readonly walId: string;
  /** Of the change log's latest commit. */
  readonly position: number;
  /** The commits of the change log that no point has told of before. */
  readonly changes: readonly ChangeTime[];
  /** In milliseconds since the Unix epoch. */
  readonly now: number;
}

/** What the thread that archives is told; each has a number, which it answers by. */
export type GateMessage = { readonly serial: number } & (
  | { readonly open: StoreFound }
  | { readonly begin: WalPlace & { readonly position: number; readonly now: number } }
  | { readonly point: WalPoint }
  | { readonly probe: true }
  | { readonly giveUp: true }
);

/** What it answers to `open`, as a message. */
export interface OpenAnswer {
  /** Whether it goes on from where the archive ends, and at which position of the change log that is. */
  readonly position: number | undefined;
}

/** What becomes of an archive: it is looked at, or frames are archived, or none are until it can begin anew. */
export const ARCHIVE_STATES = ["opening", "archiving", "broken"] as const;
/** One of them. */
export type ArchiveState = (typeof ARCHIVE_STATES)[number];

/** Numbers in memory that both threads and the main one have. */
export class ArchiveShared {
  readonly buffer: SharedArrayBuffer;
  readonly #ints: Int32Array;
  readonly #times: Float64Array;

  constructor(buffer = new SharedArrayBuffer(BYTES)) {
    this.buffer = buffer;
    this.#ints = new Int32Array(buffer, 0, INTS);
    this.#times = new Float64Array(buffer, INTS * 4, TIMES);
  }

  get state(): ArchiveState {
    return ARCHIVE_STATES[Atomics.load(this.#ints, STATE)]!;
  }

  set state(state: ArchiveState) {
    Atomics.store(this.#ints, STATE, ARCHIVE_STATES.indexOf(state));
  }

  /** How often it has broken off. */
  get breaks(): number {
    return Atomics.load(this.#ints, BREAKS);
  }

  brokeOff(): void {
    Atomics.add(this.#ints, BREAKS, 1);
  }

  /** Whether something could be written into the folder when that was tried last. */
  get able(): boolean {
    return Atomics.load(this.#ints, ABLE) === 1;
  }

  set able(able: boolean) {
    Atomics.store(this.#ints, ABLE, able ? 1 : 0);
  }

  /** Whether what was archived is gone for good, as the folder shows: it is to begin anew. */
  get lost(): boolean {
    return Atomics.load(this.#ints, LOST) === 1;
  }

  set lost(lost: boolean) {
    Atomics.store(this.#ints, LOST, lost ? 1 : 0);
  }

  /** Whether the folder was not there when something was to be written last, or another disk was in its place. */
  get away(): boolean {
    return Atomics.load(this.#ints, AWAY) === 1;
  }

  set away(away: boolean) {
    Atomics.store(this.#ints, AWAY, away ? 1 : 0);
  }

  /** What became of a message: undefined until it is known. */
  outcomeOf(serial: number): "done" | "failed" | undefined {
    if (Atomics.load(this.#ints, DONE) >= serial) return "done";
    return Atomics.load(this.#ints, FAILED) >= serial ? "failed" : undefined;
  }

  ended(serial: number, outcome: "done" | "failed"): void {
    Atomics.store(this.#ints, outcome === "done" ? DONE : FAILED, serial);
    this.progressed();
  }

  /** Something was written. */
  progressed(): void {
    Atomics.add(this.#ints, PROGRESS, 1);
    Atomics.notify(this.#ints, PROGRESS);
  }

  /**
   * Block the thread until it is known what became of a message.
   *
   * @param patienceMs  for as long as nothing is written meanwhile
   * @returns           whether it is done
   */
  waitFor(serial: number, patienceMs: number): boolean {
    for (;;) {
      const seen = Atomics.load(this.#ints, PROGRESS);
      const outcome = this.outcomeOf(serial);
      if (outcome !== undefined) return outcome === "done";
      if (Atomics.wait(this.#ints, PROGRESS, seen, patienceMs) === "timed-out") return false;
    }
  }

  /** How long it took to archive what was archived last, in milliseconds. */
  get tookMs(): number {
    return this.#times[TOOK]!;
  }

  set tookMs(ms: number) {
    this.#times[TOOK] = ms;
  }

  /** Up to when everything is archived, in milliseconds since the Unix epoch. */
  get upToMs(): number {
    return this.#times[UP_TO]!;
  }

  set upToMs(time: number) {
    this.#times[UP_TO] = time;
  }

  /** Since when it has no gap; 0 while it has not begun. */
  get beganMs(): number {
    return this.#times[BEGAN]!;
  }

  set beganMs(time: number) {
    this.#times[BEGAN] = time;
  }
}

const [STATE, BREAKS, ABLE, DONE, FAILED, PROGRESS, LOST, AWAY] = [0, 1, 2, 3, 4, 5, 6, 7];
const INTS = 8;
const [UP_TO, BEGAN, TOOK] = [0, 1, 2];
const TIMES = 3;
const BYTES = INTS * 4 + TIMES * 8;
