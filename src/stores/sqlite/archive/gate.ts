import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { Database, Statement } from "better-sqlite3";
import { epochIn } from "../../../core/epoch.ts";
import { readAlone } from "../file/alone.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { readCopying } from "../rows/copying-row.ts";
import { FIRST_EPOCH } from "./folder.ts";
import { markOf } from "./going-on.ts";
import type { ChangeTime } from "./piece.ts";
import {
  ArchiveShared,
  type GateMessage,
  type OpenAnswer,
  type StoreFound,
  type WalPlace,
} from "./shared.ts";
import { withWal } from "./wal-reading.ts";

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
  /**
   * Whether the file says by itself that a server had it. Only then may its WAL be left to it at a start: of one that says it is
   * closed nobody would miss that (see assertBelongs).
   */
  readonly #isFileOpen: boolean;
  readonly #waitingBytesMax: number;
  #statements: Statements | undefined;
  #serial = 0;
  /** The last message, while nothing is known of it. */
  #asked: number | undefined;
  /** Up to where the WAL was when that was told last. */
  #told: (WalPlace & { readonly serial: number }) | undefined;
  /** When it has begun anew: by which message, and the first that was told of since. Until that is archived, nothing is. */
  #begun: { readonly serial: number; first: number | undefined } | undefined;
  /** The change log's latest commit that was told of. */
  #position = 0;
  /** When something was committed last, or it was looked, in milliseconds since the Unix epoch. */
  now = 0;

  /** @param path  of the data file, which nobody has opened yet */
  constructor(path: string, { shared, port, waitingBytesMax }: GateLine) {
    this.#path = path;
    this.#waitingBytesMax = waitingBytesMax;
    this.#shared = new ArchiveShared(shared);
    this.#port = port;
    this.#file = markOf(path);
    this.#isFileOpen = readAlone(path)?.binding?.open ?? false;
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
    this.now = now;
    const { id, based_on } = this.#statements.binding.get()!;
    const catalogue = new CatalogueReader(db).read(0);
    const found: StoreFound = {
      ...this.#place(),
      ...{ walId: id, basedOn: based_on, file: this.#file },
      epoch: epochIn(catalogue) ?? FIRST_EPOCH,
      storeId: readCopying(db).store_id,
    };
    const serial = this.#send({ open: found });
    const isOpen = this.#shared.waitFor(serial, PATIENCE_MS);
    const answer = isOpen ? (receiveMessageOnPort(this.#port)?.message as OpenAnswer | undefined) : undefined;
    if (answer?.position === undefined) {
      this.#shared.state = "broken";
      return;
    }
    this.#position = answer.position;
    this.#shared.state = "archiving";
    if (!this.passes()) this.waits();
  }

  /**
   * What cannot be archived at a start waits in the WAL, as it does later, where it may; else the archive breaks off.
   *
   * @returns  whether it waits
   */
  waits(): boolean {
    if (this.#isFileOpen && this.#mayWait(BigInt(this.#place().frames))) return true;
    this.giveUp();
    return false;
  }

  /** Whether all of the WAL is archived; waits for that at a start and at the end, for as long as anything is written. */
  passes(): boolean {
    if (this.#shared.state !== "archiving") return true;
    const place = this.#place();
    if (place.frames === 0) return true;
    const told = this.#isTold(place) ? this.#told!.serial : this.#point(place);
    return this.#shared.waitFor(told, PATIENCE_MS);
  }

  /**
   * Whether a checkpoint may be made that is due. Under load the archive would never have all frames, so for the last of them it
   * is waited, if that takes no longer than a moment: the longer the more there is.
   *
   * @param frames  that are not in the file yet; when there are too many the archive breaks off, and a checkpoint may be made
   */
  lets(frames: bigint): boolean {
    if (this.#shared.state !== "archiving") return true;
    const waitMs = Math.min(WAIT_MS_MAX, (Number(frames) * WAIT_MS) / WAIT_FRAMES);
    if (this.#passesWithin(waitMs)) return true;
    if (this.#mayWait(frames)) return false;
    this.giveUp();
    return true;
  }

  #mayWait(frames: bigint): boolean {
    return frames * FRAME_BYTES < BigInt(this.#waitingBytesMax);
  }

  #passesWithin(waitMs: number): boolean {
    if (this.#isBusy) return false;
    const place = this.#place();
    if (place.frames === 0) return true;
    if (this.#isTold(place)) return true;
    const isNear = place.frames - (this.#told?.salts === place.salts ? this.#told!.frames : 0) <= NEAR_FRAMES;
    const isQuick = this.#shared.tookMs <= waitMs;
    const serial = this.#point(place);
    return isNear && isQuick && this.#shared.waitFor(serial, waitMs);
  }

  /** All of the WAL is in the file. */
  boundary(): void {
    if (!this.wantsCheckpoint) return;
    const place = this.#place();
    this.#position = this.#statements!.end.get()!;
    this.#told = undefined;
    const serial = this.#send({ begin: { ...place, position: this.#position, now: this.now } });
    this.#begun = { serial, first: undefined };
    this.#shared.state = "archiving";
  }

  /** Once a second: tell how far the WAL is; or find out whether it can begin anew. */
  tick(now: number): void {
    this.now = now;
    if (this.#isBusy) return;
    const isUnbegun = this.#begun !== undefined && this.#shared.outcomeOf(this.#begun.serial) === "failed";
    if (isUnbegun || this.#shared.lost) this.giveUp();
    else if (this.#shared.state === "archiving") this.#point(this.#place());
    else if (!this.#shared.able) this.#send({ probe: true });
  }

  /** Counting goes on without it. */
  giveUp(): void {
    this.#shared.lost = false;
    if (this.#shared.state !== "archiving") return;
    this.#shared.state = "broken";
    this.#shared.able = false;
    this.#shared.brokeOff();
    this.#begun = undefined;
    this.#send({ giveUp: true });
  }

  get #isBusy(): boolean {
    return this.#asked !== undefined && this.#shared.outcomeOf(this.#asked) === undefined;
  }

  #isTold({ salts, frames }: WalPlace): boolean {
    const told = this.#told;
    return (
      told?.salts === salts && told?.frames === frames && this.#shared.outcomeOf(told.serial) !== "failed"
    );
  }

  #point(place: WalPlace): number {
    const changes: ChangeTime[] = [];
    for (const { position, time_ms } of this.#statements!.changes.iterate(this.#position))
      changes.push([position, time_ms]);
    this.#position = this.#statements!.end.get()!;
    const { id } = this.#statements!.binding.get()!;
    const serial = this.#send({
      point: {
        ...place,
        storeId: this.#statements!.storeId.get()!,
        walId: id!,
        position: this.#position,
        changes,
        now: this.now,
      },
    });
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

  /** By the WAL's own head: SQLite does not say which one it is. One that cannot be read is not archived. */
  #place(): WalPlace {
    const frames = this.#statements!.frames();
    if (frames === 0) return { salts: undefined, frames };
    try {
      return withWal(`${this.#path}-wal`, (_, wal) => ({ salts: wal?.salts, frames }));
    } catch {
      return { salts: undefined, frames };
    }
  }
}

/** For how long a checkpoint waits that is due: so long for so many frames in the WAL, 16 MiB. */
const WAIT_MS = 50;
const WAIT_FRAMES = 4_000;
const WAIT_MS_MAX = 1_000;
/** So few are archived in no time: some megabytes. */
const NEAR_FRAMES = 2_048;
/** Of a page of 4 KiB. */
const FRAME_BYTES = 4_120n;
const PATIENCE_MS = 10_000;

interface Statements {
  readonly binding: { get(): { id: string | null; based_on: string | null } | undefined };
  readonly changes: Statement<[number], { position: number; time_ms: number }>;
  readonly end: Statement<[], number>;
  readonly storeId: Statement<[], string | null>;
  frames(): number;
}

function statementsOf(db: Database): Statements {
  return {
    binding: db.prepare<[], { id: string | null; based_on: string | null }>(
      "SELECT id, based_on FROM wal_binding",
    ),
    changes: db
      .prepare<[number], { position: number; time_ms: number }>(
        "SELECT position, time_ms FROM change_log WHERE position > ? ORDER BY position",
      )
      .safeIntegers(false),
    storeId: db.prepare<[], string | null>("SELECT store_id FROM copying").pluck(),
    end: db.prepare<[], number>("SELECT log_end FROM service_time").pluck().safeIntegers(false),
    frames: () => {
      const [{ log }] = db.pragma("wal_checkpoint(NOOP)") as [{ log: bigint | number }];
      return Math.max(Number(log), 0);
    },
  };
}
