import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import { epochsIn, pieceName, piecesIn } from "./folder.ts";
import { factsOf, type Piece, type PieceFacts, readPiece } from "./piece.ts";

/** Pieces of an archive that follow each other, and why they end where they do. */
export interface Chain {
  readonly pieces: readonly ChainPiece[];
  /** What is wrong with what comes then: a sentence; undefined at the end of the archive. */
  readonly breaksOff: string | undefined;
}

/** A piece in its folder. */
export interface ChainPiece extends PieceFacts {
  readonly path: string;
}

/**
 * The pieces that follow from where a store had an id.
 *
 * @param dir    the archive
 * @param walId  of the store in a backup of it
 * @param warn   told of what is there and is no piece, though it is called nearly as one: a sentence
 * @returns      from the first piece on in which the store has that id; undefined when it is in none
 * @throws TallyError STORE_UNAVAILABLE  when the first of them may lack its beginning
 */
export function chainFrom(
  dir: string,
  walId: string,
  warn: (sentence: string) => void = () => {},
): Chain | undefined {
  return readable(dir, () => lookFor(dir, walId, warn));
}

function lookFor(dir: string, walId: string, warn: (sentence: string) => void): Chain | undefined {
  for (const folder of epochsIn(dir)) {
    const { names, others } = piecesIn(folder);
    const pieces = names.map((name) => lookAt(join(folder, name)));
    const first = pieces.findIndex((piece) => "head" in piece && piece.head.walId === walId);
    const found = pieces[first];
    if (found === undefined || !("head" in found)) continue;
    for (const name of others)
      warn(`${join(folder, name)} is no piece of the archive, by its name, and was passed over.`);
    const before = pieces[first - 1];
    const follows = before !== undefined && "digest" in before && before.digest === found.head.previous;
    if (found.head.previous !== null && !follows)
      throw unusable(
        `What comes before ${found.path} is not there, or damaged, and the backup may be from before it: restore a later backup.`,
      );
    return followed(pieces.slice(first));
  }
  return undefined;
}

/** @throws TallyError STORE_UNAVAILABLE  when the system does not let it be read */
function readable<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof TallyError || code === undefined) throw error;
    throw unusable(`The archive ${path} cannot be read (${code}).`, error);
  }
}

/** A piece that nothing can be known of. */
interface Damaged {
  readonly path: string;
  /** A sentence. */
  readonly damage: string;
}

function lookAt(path: string): ChainPiece | Damaged {
  try {
    return { path, ...factsOf(path) };
  } catch (error) {
    if (!(error instanceof TallyError)) throw error;
    return { path, damage: error.message.replace(/\.$/, "") };
  }
}

function followed(found: readonly (ChainPiece | Damaged)[]): Chain {
  const pieces: ChainPiece[] = [];
  for (const piece of found) {
    const upTo = (breaksOff: string): Chain => ({ pieces, breaksOff });
    if ("damage" in piece) return upTo(piece.damage);
    const { head, path } = piece;
    if (pieceName(head) !== path.slice(path.lastIndexOf("/") + 1))
      return upTo(`${path} is another piece than its name says: it was copied or renamed`);
    const before = pieces.at(-1);
    if (before === undefined || head.previous === before.digest) {
      pieces.push(piece);
      continue;
    }
    if (head.previous === null)
      return upTo(`the archive was begun anew at ${new Date(head.began).toISOString()}, with ${path}`);
    const isNext = head.generation - before.head.generation <= 1;
    return upTo(
      isNext && head.from === before.head.to + 1
        ? `${path} does not follow ${before.path}: one of them is of another archive`
        : `a piece is missing between ${before.path} and ${path}`,
    );
  }
  return { pieces, breaksOff: undefined };
}

/**
 * Read a piece of a chain.
 *
 * @throws TallyError STORE_UNAVAILABLE  when it is not what was written
 */
export function pieceIn({ path, digest }: ChainPiece): Piece {
  const piece = readPiece(
    readable(path, () => readFileSync(path)),
    path,
  );
  if (piece.digest !== digest) throw unusable(`${path} was changed while it was read.`);
  return piece;
}
