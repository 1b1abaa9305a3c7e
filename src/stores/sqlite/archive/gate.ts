import { closeSync, openSync, readSync } from "node:fs";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Database, Statement } from "better-sqlite3";
import { epochIn } from "../../../core/epoch.ts";
import { readWalHead, WAL_HEAD_BYTES } from "../file/wal.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { markOf } from "./archiver.ts";
import { FIRST_EPOCH } from "./folder.ts";
import type { ChangeTime } from "./piece.ts";
import { ArchiveShared, type GateMessage, type OpenAnswer, type StoreFound, type WalPlace } from "./shared.ts";

/** How a thread reaches the one that archives. */
export interface GateLine {
  readonly shared: SharedArrayBuffer;
  readonly port: MessagePort;
  /** What may wait in the WAL to be archived; then counting goes on without it. */
  readonly waitingBytesMax: number;
}

/** A message, but for its number. */
type Message<Each = GateMessage> = Each extends unknown ? Omit<Each, "serial"> : never;

/**
 * Stands before each checkpoint of a store that is archived: what is in the WAL may be taken into the file, and be written over
 * after that, only once it is archived; or once nobody counts on that any more.
 *
 * Of the thread that writes. What it knows is as of its last commit.
 */
export class ArchiveGate {
  readonly #path: string;
  readonly #shared: ArchiveShared;
  readonly #port: MessagePort;
  readonly #file: StoreFound["file"];
  readonly #waitingBytesMax: number;
  #statements: Statements | undefined;
  #serial = 0;
  /** The last message, while nothing is known of it. */
  #asked: number | undefined;
  /** Up to where the WAL was when that was told last. */
  #told: (WalPlace & { readonly serial: number }) | undefined;
  /** The same one before. */
  #before: WalPlace | undefined;
  /** When it has begun anew: by which message, and the first that was told of since. Until that is archived, nothing is. */
  #begun: { readonly serial: number; first: number | undefined } | undefined;
  /** The change log's latest commit that was told of. */
  #position = 0;
  #now = 0;

  /** @param path  of the data file, which nobody has opened yet */
  constructor(path: string, { shared, port, waitingBytesMax }: GateLine) {
    this.#path = path;
    this.#waitingBytesMax = waitingBytesMax;
    this.#shared = new ArchiveShared(shared);
    this.#port = port;
    this.#file = markOf(path);
  }

  /** Whether all that was committed before the last whole checkpoint is in the archive, without a gap. */
  get isWhole(): boolean {
    if (this.#shared.state !== "archiving") return false;
    if (this.#begun === undefined) return true;
    const { first } = this.#begun;
    return first !== undefined && this.#shared.outcomeOf(first) === "done";
  }

  /** Whether a checkpoint is all that it needs to begin anew. */
  get wantsCheckpoint(): boolean {
    return this.#shared.state === "broken" && this.#shared.able;
  }

  /**
   * Before anything is taken into the file: find out whether the archive goes on with it, and have it take what stands in
   * the WAL.
   *
   * @param now  milliseconds since the Unix epoch
   */
  open(db: Database, now: number): void {
    this.#statements = statementsOf(db);
    this.#now = now;
    const { id, based_on } = this.#statements.binding.get()!;
    const catalogue = new CatalogueReader(db).read(0);
    const found: StoreFound = {
      ...this.#place(),
      ...{ walId: id, basedOn: based_on, file: this.#file },
      epoch: epochIn(catalogue) ?? FIRST_EPOCH,
    };
    const serial = this.#send({ open: found });
    const isOpen = this.#shared.waitFor(serial, START_PATIENCE_MS);
    const answer = isOpen ? (receiveMessageOnPort(this.#port)?.message as OpenAnswer | undefined) : undefined;
    if (answer?.position === undefined) {
      this.#shared.state = "broken";
      return;
    }
    this.#position = answer.position;
    this.#shared.state = "archiving";
    if (!this.passes(START_PATIENCE_MS)) this.giveUp();
  }

  /**
   * Whether a checkpoint may be made: the archive has all of the WAL, or has it within a time.
   *
   * @param patienceMs  for as long as it writes nothing meanwhile
   */
  passes(patienceMs: number): boolean {
    if (this.#shared.state !== "archiving") return true;
    const place = this.#place();
    if (place.frames === 0) return true;
    if (this.#isTold(place)) return this.#shared.waitFor(this.#told!.serial, patienceMs) || this.#again(place, patienceMs);
    if (patienceMs <= SHORT_PATIENCE_MS) {
      if (this.#isBusy) return false;
      const serial = this.#point(place);
      return this.#isNear(place) && this.#shared.waitFor(serial, patienceMs);
    }
    return this.#shared.waitFor(this.#point(place), patienceMs);
  }

  /** All of the WAL is in the file. */
  boundary(): void {
    if (!this.wantsCheckpoint) return;
    const place = this.#place();
    this.#position = this.#statements!.end.get()!;
    this.#told = undefined;
    const serial = this.#send({ begin: { ...place, position: this.#position, now: this.#now } });
    this.#begun = { serial, first: undefined };
    this.#shared.state = "archiving";
  }

  /** Once a second: tell how far the WAL is; or find out whether it can begin anew. */
  tick(now: number): void {
    this.#now = now;
    if (this.#isBusy) return;
    if (this.#begun !== undefined && this.#shared.outcomeOf(this.#begun.serial) === "failed") this.giveUp();
    else if (this.#shared.state === "archiving") this.#point(this.#place());
    else if (!this.#shared.able) this.#send({ probe: true });
  }

  /**
   * Whether a checkpoint may be made all the same, so much does the WAL have that is not in the file: then it breaks off.
   *
   * @param frames  how many wait for a checkpoint
   */
  givesUp(frames: bigint): boolean {
    if (frames * FRAME_BYTES < BigInt(this.#waitingBytesMax)) return false;
    this.giveUp();
    return true;
  }

  /** Counting goes on without it. */
  giveUp(): void {
    if (this.#shared.state !== "archiving") return;
    this.#shared.state = "broken";
    this.#shared.able = false;
    this.#shared.brokeOff();
    this.#begun = undefined;
    this.#send({ giveUp: true });
  }

  #again(place: WalPlace, patienceMs: number): boolean {
    const failed = this.#shared.outcomeOf(this.#told!.serial) === "failed";
    return failed && patienceMs > SHORT_PATIENCE_MS && this.#shared.waitFor(this.#point(place), patienceMs);
  }

  get #isBusy(): boolean {
    return this.#asked !== undefined && this.#shared.outcomeOf(this.#asked) === undefined;
  }

  #isTold({ salts, frames }: WalPlace): boolean {
    const told = this.#told;
    return told?.salts === salts && told?.frames === frames && this.#shared.outcomeOf(told.serial) !== "failed";
  }

  /** Whether little enough is left for somebody to wait for it. */
  #isNear({ salts, frames }: WalPlace): boolean {
    const before = this.#before;
    return frames - (before?.salts === salts ? before!.frames : 0) <= NEAR_FRAMES;
  }

  #point(place: WalPlace): number {
    const changes: ChangeTime[] = [];
    for (const { position, time_ms } of this.#statements!.changes.iterate(this.#position)) changes.push([position, time_ms]);
    this.#position = this.#statements!.end.get()!;
    const { id } = this.#statements!.binding.get()!;
    const serial = this.#send({
      point: { ...place, walId: id!, position: this.#position, changes, now: this.#now },
    });
    this.#before = this.#told;
    this.#told = { ...place, serial };
    if (this.#begun !== undefined) this.#begun.first ??= serial;
    return serial;
  }

  #send(message: Message): number {
    const serial = ++this.#serial;
    this.#asked = serial;
    this.#port.postMessage({ serial, ...message } as GateMessage);
    return serial;
  }

  /** By the WAL's own head: SQLite does not say which one it is. To read it drops no lock. */
  #place(): WalPlace {
    const frames = this.#statements!.frames();
    if (frames === 0) return { salts: undefined, frames };
    const fd = openSync(`${this.#path}-wal`, "r");
    try {
      const bytes = Buffer.alloc(WAL_HEAD_BYTES);
      readSync(fd, bytes, 0, WAL_HEAD_BYTES, 0);
      return { salts: readWalHead(bytes)?.salts, frames };
    } finally {
      closeSync(fd);
    }
  }
}

/** A checkpoint that is due waits so long for the last frames: otherwise, under load, the archive would never have all of them. */
export const SHORT_PATIENCE_MS = 50;
/** Some megabytes. */
const NEAR_FRAMES = 2_048;
/** Of a page of 4 KiB. */
const FRAME_BYTES = 4_120n;
/** At a start and at the end, for as long as nothing is written. */
export const START_PATIENCE_MS = 10_000;

interface Statements {
  readonly binding: { get(): { id: string | null; based_on: string | null } | undefined };
  readonly changes: Statement<[number], { position: number; time_ms: number }>;
  readonly end: Statement<[], number>;
  frames(): number;
}

function statementsOf(db: Database): Statements {
  return {
    binding: db.prepare<[], { id: string | null; based_on: string | null }>("SELECT id, based_on FROM wal_binding"),
    changes: db
      .prepare<[number], { position: number; time_ms: number }>(
        "SELECT position, time_ms FROM change_log WHERE position > ? ORDER BY position",
      )
      .safeIntegers(false),
    end: db.prepare<[], number>("SELECT log_end FROM service_time").pluck().safeIntegers(false),
    frames: () => {
      const [{ log }] = db.pragma("wal_checkpoint(NOOP)") as [{ log: bigint | number }];
      return Math.max(Number(log), 0);
    },
  };
}
