/** From a backup on, through an archive, to a moment. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { TallyError } from "../../../core/errors.ts";
import type { BackupManifest, Reached, RestoreUntil } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import { isAfter } from "../backup/choosing.ts";
import { type RowPlaces, readAlone, readPlaces } from "../file/alone.ts";
import { frameAt, pageIn } from "../file/wal.ts";
import { type Chain, chainFrom, pieceIn } from "./chain.ts";
import { type Commit, commitsIn } from "./commits.ts";
import type { Piece } from "./piece.ts";

/** How it is done. */
export interface ForwardOptions {
  /** The archive. */
  readonly dir: string;
  /** The last commit that is to be in it; all that there are unless given. */
  readonly until: RestoreUntil | undefined;
  readonly manifest: BackupManifest;
  /** Told what the operator is to know: a sentence. */
  readonly warn: (sentence: string) => void;
  readonly onPiece: (done: number, of: number) => void;
  readonly signal: AbortSignal;
}

/** A commit that an archive leads to. */
type Place = Pick<Reached, "position" | "time">;

/** The backup is of a later moment than is asked for. */
export class BackupTooLate extends TallyError {
  constructor(message: string) {
    super("STORE_UNAVAILABLE", message);
  }
}

/**
 * Bring the data file of a backup to a later moment: page by page, as the store's own WAL has them.
 *
 * That the backup is of this archive is seen by its pages. A commit of it at which the file is as the backup has it is where the
 * backup was made; where there is none, it is of another store. From its id's first commit on all pages are written once more,
 * which comes to the same.
 *
 * @param path  of the data file, which nobody has open
 * @throws BackupTooLate                 when the moment is before that of the backup
 * @throws TallyError STORE_UNAVAILABLE  when the archive does not lead there, with how far it does
 */
export async function forward(path: string, options: ForwardOptions): Promise<Reached> {
  const { manifest, until, signal } = options;
  if (isAfter(manifest, until)) throw tooLate(manifest);
  const walId = readAlone(path)?.binding?.id ?? undefined;
  const chain = walId === undefined ? undefined : chainFrom(options.dir, walId, options.warn);
  if (chain === undefined || chain.pieces.length === 0)
    throw unusable(
      `The archive ${options.dir} does not go on from this backup (of ${manifest.time}): it is another store's, or was begun after it.${chain?.breaksOff === undefined ? "" : ` ${sentence(chain.breaksOff)}`}`,
    );
  const made = whereMade(path, chain, Number(manifest.position));
  const fd = openSync(path, "r+");
  try {
    let reached: Place | undefined;
    let ordinal = 0;
    let position = chain.pieces[0]!.head.positions[0];
    let isThere = false;
    for (const [i, each] of chain.pieces.entries()) {
      if (signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
      const piece = readUnless(until, chain, i, reached);
      if (piece === undefined) {
        isThere = true;
        break;
      }
      const commits = commitsIn(piece, readPlaces(path), position);
      const wanted = untilIn(commits, until);
      const last = wanted.at(-1);
      if (last !== undefined) {
        write(fd, piece, last.end);
        ordinal += wanted.length;
        reached = { position: last.position, time: last.time };
        ftruncateSync(fd, last.filePages * piece.wal.pageBytes);
      }
      isThere = wanted.length < commits.length;
      if (isThere) break;
      position = Number(readAlone(path)?.head?.log_end ?? each.head.positions[1]);
      options.onPiece(i + 1, chain.pieces.length);
      await turn();
    }
    if (reached === undefined || ordinal < made) throw tooLate(manifest);
    if (!isThere) assertReached(reached, chain, until);
    fsyncSync(fd);
    return reached;
  } finally {
    closeSync(fd);
  }
}

function tooLate({ time, position }: BackupManifest): BackupTooLate {
  return new BackupTooLate(
    `The backup is of ${time}, position ${position}, and what is asked for was before that: restore an earlier backup, or ask for a later moment.`,
  );
}

/** Those that are to be there: up to the first that is not. */
function untilIn(commits: readonly Commit[], until: RestoreUntil | undefined): readonly Commit[] {
  if (until === undefined) return commits;
  const first = commits.findIndex((commit) =>
    "position" in until ? commit.position > until.position : commit.time > until.time,
  );
  return first === -1 ? commits : commits.slice(0, first);
}

/** The same, unless what is asked for has been reached: it is damaged then, and was not needed. */
function readUnless(
  until: RestoreUntil | undefined,
  chain: Chain,
  i: number,
  reached: Place | undefined,
): Piece | undefined {
  try {
    return readOr(chain, i, reached);
  } catch (error) {
    const isThere = until !== undefined && "position" in until && until.position === reached?.position;
    if (isThere && error instanceof TallyError) return undefined;
    throw error;
  }
}

/** Read a piece; where it is damaged, say how far the archive leads. */
function readOr({ pieces }: Chain, i: number, reached: Place | undefined): Piece {
  try {
    return pieceIn(pieces[i]!);
  } catch (error) {
    if (!(error instanceof TallyError)) throw error;
    throw unusable(`${error.message} ${howFar(reached)}`, error);
  }
}

/** Refuse what is asked for where it is behind the end: nobody can tell what was changed in between. */
function assertReached(reached: Place, { breaksOff }: Chain, until: RestoreUntil | undefined): void {
  const { position, time } = reached;
  if (until !== undefined && ("position" in until ? until.position === position : until.time <= time)) return;
  if (breaksOff !== undefined) throw unusable(`${sentence(breaksOff)} ${howFar(reached)}`);
  if (until === undefined) return;
  if ("position" in until)
    throw unusable(`The archive has no position ${until.position} yet. ${howFar(reached)}`);
  throw unusable(
    `The archive ends before ${new Date(until.time).toISOString()}: what was changed after its last change, if anything was, is not in it. ${howFar(reached)}`,
  );
}

function howFar(reached: Place | undefined): string {
  if (reached === undefined) return "Nothing can be restored of this backup but itself.";
  const { position, time } = reached;
  return `It leads up to position ${position} of the change log, of ${new Date(time).toISOString()}: --until ${position} restores that.`;
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** Write the last of each page. */
function write(fd: number, { wal, frames }: Piece, end: number): void {
  const pages = new Map<number, number>();
  for (let i = 0; i < end; i++) pages.set(frameAt(frames, wal, i).page, i);
  for (const [page, i] of pages) {
    const bytes = pageIn(frames, wal, i);
    for (let done = 0; done < bytes.length; )
      done += writeSync(fd, bytes, done, bytes.length - done, (page - 1) * wal.pageBytes + done);
  }
}

/**
 * Which commit of a chain a backup is of: the last at which each page that was written until then is as the backup has it. Two
 * pages are not looked at, in which a backup notes that it stands by itself.
 *
 * @param position  of the change log, in the backup
 * @returns         counted from 1
 * @throws TallyError STORE_UNAVAILABLE  when it is of none
 */
function whereMade(path: string, chain: Chain, position: number): number {
  const places = readPlaces(path);
  const fd = openSync(path, "r");
  try {
    const compare = new Compare(fd, places);
    let [at, ordinal, made] = [chain.pieces[0]!.head.positions[0], 0, 0];
    for (let i = 0; i < chain.pieces.length && at <= position; i++) {
      const piece = readOr(chain, i, undefined);
      for (const commit of commitsIn(piece, places, at)) {
        at = commit.position;
        if (at > position) break;
        ordinal++;
        for (let k = commit.begin; k < commit.end; k++)
          compare.written(frameAt(piece.frames, piece.wal, k).page, pageIn(piece.frames, piece.wal, k));
        if (compare.isSame) made = ordinal;
      }
    }
    if (made > 0) return made;
    throw unusable(
      `The archive does not lead up to this backup, or the backup is of another store.${chain.breaksOff === undefined ? "" : ` ${sentence(chain.breaksOff)}`}`,
    );
  } finally {
    closeSync(fd);
  }
}

/** Which of the pages that were written are not as a file has them. */
class Compare {
  readonly #fd: number;
  readonly #places: RowPlaces;
  readonly #bytes: number;
  readonly #page: Buffer;
  readonly #others = new Set<number>();

  constructor(fd: number, places: RowPlaces) {
    this.#fd = fd;
    this.#places = places;
    this.#bytes = fstatSync(fd).size;
    this.#page = Buffer.alloc(places.pageBytes);
  }

  get isSame(): boolean {
    return this.#others.size === 0;
  }

  written(page: number, bytes: Buffer): void {
    if (page === 1 || page === this.#places.binding) return;
    const at = (page - 1) * this.#places.pageBytes;
    const isThere = at + this.#page.length <= this.#bytes;
    if (isThere) readSync(this.#fd, this.#page, 0, this.#page.length, at);
    if (isThere && this.#page.equals(bytes)) this.#others.delete(page);
    else this.#others.add(page);
  }
}
