import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import { readRegular } from "../file/regular.ts";
import { frameAt, type WalHead } from "../file/wal.ts";
import { clearParts, epochsIn, PROBE, pieceName, piecesIn, writeWhole } from "./folder.ts";
import { type End, noteClosed, takeClosed, whyNot } from "./going-on.ts";
import { assertOwner, noteOwner } from "./owner.ts";
import { type ChangeTime, type PieceToWrite, pieceOf, readPiece } from "./piece.ts";
import { ArchiveLost, ArchivePlace } from "./place.ts";
import type { StoreFound, WalPlace, WalPoint } from "./shared.ts";
import { committedFrames, sumsAfter, withWal } from "./wal-reading.ts";

/**
 * Writes the frames of a WAL into an archive, a piece at a time. It reads what it is told is committed, by the WAL's own
 * checksums, and knows nothing of what is in it.
 */
export class Archiver {
  readonly #place: ArchivePlace;
  readonly #walPath: string;
  /** Told after each piece. */
  readonly #wrote: () => void;
  #folder: string | undefined;
  #end: End | undefined;
  /** The piece that was written last. */
  #last: string | undefined;
  #changes: ChangeTime[] = [];
  /** The last that it wrote before it broke off: whoever copies pieces elsewhere gets none of the name of another. */
  #generation = 0;
  /** What was found gone, as what follows "because". */
  #lost: string | undefined;
  /** Of the store; null until it has one. */
  #storeId: string | null = null;
  /** Whether it is noted in the folder whose it is. */
  #isOwned = false;
  /** Why it does not go on from what was there, as what follows "because". */
  #why: string | undefined;

  /** @param path  the real path of the data file */
  constructor(dir: string, path: string, wrote: () => void = () => {}) {
    this.#place = new ArchivePlace(dir);
    this.#walPath = `${path}-wal`;
    this.#wrote = wrote;
  }

  get why(): string | undefined {
    return this.#why;
  }

  /** Since when it has no gap, in milliseconds since the Unix epoch; 0 while it has not begun. */
  get began(): number {
    return this.#end?.began ?? 0;
  }

  /**
   * Find out whether the archive goes on with a store as it is found: whether it has all that was written before what stands
   * in the WAL. Where it does, nothing is written: what is full now may have room in time.
   *
   * @returns  the position of the change log that it ends at; undefined when it is to begin anew, for which `why` says the reason
   * @throws   what keeps it from being read; or, where it is to begin anew, from being written
   */
  open(found: StoreFound): number | undefined {
    this.#folder = join(this.#place.dir, found.epoch);
    this.#why = "it could not be read or written at the start";
    this.#storeId = found.storeId;
    const isEmpty = existsSync(this.#place.dir) && epochsIn(this.#place.dir).length === 0;
    this.#ready();
    this.#end = this.#endFor(found, isEmpty);
    if (this.#end === undefined) this.probe();
    return this.#end?.position;
  }

  #endFor(found: StoreFound, isEmpty: boolean): End | undefined {
    const closed = takeClosed(this.#folder!);
    const name = piecesIn(this.#folder!).names.at(-1);
    this.#why = undefined;
    if (name === undefined) {
      this.#why = isEmpty && found.storeId !== null ? ELSEWHERE : "there is none yet";
      return undefined;
    }
    let end: End;
    try {
      end = this.#endIn(name);
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      this.#why = `what it ends with cannot be gone on from: ${error.message.replace(/\.$/, "")}`;
      return undefined;
    }
    this.#why = whyNot(end, found, closed, (frame) =>
      withWal(this.#walPath, (fd, wal) => wal && sumsAfter(fd, wal, frame)),
    );
    return this.#why === undefined ? end : undefined;
  }

  /** From now on all is in the archive that is written after a place: what comes before it is in the data file. */
  begin({
    salts,
    frames,
    position,
    now,
  }: WalPlace & { readonly position: number; readonly now: number }): void {
    this.#ready();
    const name = piecesIn(this.#folder!).names.at(-1);
    const last = name === undefined ? 0 : Number(name.slice(0, name.indexOf("-")));
    const generation = Math.max(last, this.#generation) + 1;
    this.#changes = [];
    this.#last = undefined;
    this.#end = {
      ...{ began: now, generation, salts, frame: frames, position },
      ...{ sums: undefined, walId: undefined, digest: null },
    };
  }

  /** What is written is archived no more, until it begins anew. */
  giveUp(): void {
    this.#why = this.#lost ?? "it had broken off";
    this.#lost = undefined;
    this.#last = undefined;
    this.#generation = this.#end?.generation ?? this.#generation;
    this.#end = undefined;
    this.#isOwned = false;
    this.#changes = [];
  }

  /**
   * Archive what is committed and was not archived yet. When it throws, the next one has to take that in as well.
   *
   * @returns  whether there was anything
   * @throws   what keeps it from being read or written; ArchiveLost when it is to begin anew
   */
  take(point: WalPoint): boolean {
    for (const change of point.changes) this.#changes.push(change);
    if (this.#end === undefined) throw unusable("the archive was not begun.");
    this.#assertKept();
    if (point.frames === 0) return false;
    if (this.#end.salts === point.salts && this.#end.frame >= point.frames) return false;
    this.#storeId = point.storeId;
    this.#ready();
    this.#own();
    withWal(this.#walPath, (fd, wal) => {
      if (wal === undefined || wal.salts !== point.salts)
        throw unusable(`${this.#walPath} is another one than was to be archived.`);
      if (this.#end!.salts !== wal.salts) this.#end = nextGeneration(this.#end!, wal);
      while (this.#end!.frame < point.frames) this.#write(fd, wal, point);
    });
    return true;
  }

  /** See noteClosed. */
  closed(path: string): void {
    if (this.#end?.walId !== undefined) noteClosed(this.#folder!, this.#end.walId, path);
  }

  close(): void {
    this.#place.release();
  }

  /** Find out whether anything can be written. @throws what keeps it from that */
  probe(): void {
    this.#ready();
    writeWhole(this.#folder!, PROBE, Buffer.alloc(PROBE_BYTES));
    rmSync(join(this.#folder!, PROBE));
  }

  /** What is written follows what is there; where that is gone, nothing that is written from then on can be restored. */
  #assertKept(): void {
    const last = this.#last;
    if (last === undefined || isThere(last)) return;
    this.#place.assertThere(() => isThere(last)); // By now it may be.
    if (isThere(last)) return;
    this.#lost = `${last} was taken away`;
    throw new ArchiveLost(`${this.#lost}: what is archived from then on cannot be restored.`);
  }

  /** The folder that it stands in was made by somebody: another one may be on another disk. */
  #ready(): void {
    this.#place.assertThere(() => assertOwner(this.#folder!, this.#storeId));
    this.#isOwned ||= assertOwner(this.#folder!, this.#storeId); // Of another's nobody is kept off it.
    this.#place.hold();
    this.#isOwned ||= assertOwner(this.#folder!, this.#storeId); // Somebody may have begun it just then.
    if (!existsSync(this.#folder!)) mkdirSync(this.#folder!, { mode: 0o700 });
    else if (this.#end === undefined) clearParts(this.#folder!);
  }

  /** Note whose it is, once the store has an id. */
  #own(): void {
    if (this.#isOwned || this.#storeId === null) return;
    noteOwner(this.#folder!, this.#storeId);
    this.#isOwned = true;
  }

  #endIn(name: string): End {
    const path = join(this.#folder!, name);
    const { head, digest, wal, frames } = readPiece(readRegular(path), path);
    this.#last = path;
    return {
      ...{ began: head.began, generation: head.generation, salts: wal.salts, frame: head.to },
      ...{ walId: head.walId, digest, position: head.positions[1] },
      sums: frameAt(frames, wal, head.to - head.from).sums,
    };
  }

  /** One piece, up to a commit: as many frames as are to be in memory at once, or those of one commit. */
  #write(fd: number, wal: WalHead, point: WalPoint): void {
    const end = this.#end!;
    const before = end.sums ?? sumsAfter(fd, wal, end.frame);
    const { frames, count } = committedFrames(fd, wal, end.frame, point.frames, before);
    const to = end.frame + count;
    const changes = this.#changes;
    const isLast = to === point.frames;
    const head: PieceToWrite = {
      ...{ began: end.began, generation: end.generation, from: end.frame + 1, to },
      ...{ wal: wal.bytes.toString("hex"), sums: before, walId: point.walId, previous: end.digest },
      // Of a part nobody has told what is in it: a restore finds it out.
      positions: [end.position, isLast ? point.position : end.position],
      times: [changes[0]?.[1] ?? point.now, changes.at(-1)?.[1] ?? point.now],
      now: point.now,
    };
    const { bytes, digest } = pieceOf(head, frames, changes);
    const name = pieceName(head);
    writeWhole(this.#folder!, name, bytes);
    this.#last = join(this.#folder!, name);
    const { sums } = frameAt(frames, wal, count - 1);
    this.#end = { ...end, frame: to, sums, walId: point.walId, digest, position: head.positions[1] };
    if (isLast) this.#changes = [];
    this.#wrote();
  }
}

/** @throws what keeps it from being looked at: then nobody knows */
function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function nextGeneration(end: End, wal: WalHead): End {
  // Of one that has just begun, and has no piece yet, this is the first.
  const generation = end.digest === null ? end.generation : end.generation + 1;
  return { ...end, generation, salts: wal.salts, frame: 0, sums: wal.sums };
}

/**
 * A restart is how an operator says that it is to begin in what is there now, so it does; but not without a word, where the store has
 * an id: of an archive, or of a copy.
 */
const ELSEWHERE =
  "its folder is empty: if the store was archived before, and not into another one, look whether its disk is mounted";
const PROBE_BYTES = 2 ** 16;
