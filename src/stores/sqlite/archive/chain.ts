import { join } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import { readRegular } from "../file/regular.ts";
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
    if (found.head.previous !== null && !follows) {
      const damage =
        damageIn(found) ?? (before && damageIn(before)) ?? `What comes before ${found.path} is not there`;
      throw unusable(`${damage}, and the backup may be from before it: restore a later backup.`);
    }
    // Of a piece of the same WAL before it, what is damaged may be by which id it is told that it is the first.
    if (follows && found.head.from > 1 && damageIn(before) !== undefined)
      throw unusable(`${damageIn(before)}, and the backup may be from before it: restore a later backup.`);
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
    return { path, ...readable(path, () => factsOf(path)) };
  } catch (error) {
    return { path, damage: damageFrom(error) };
  }
}

/** What is wrong with a piece that does not fit, all of which is read for that: a sentence; undefined when nothing is. */
function damageIn(piece: ChainPiece | Damaged): string | undefined {
  if ("damage" in piece) return piece.damage;
  try {
    pieceIn(piece);
    return undefined;
  } catch (error) {
    return damageFrom(error);
  }
}

function damageFrom(error: unknown): string {
  if (!(error instanceof TallyError)) throw error;
  return error.message.replace(/\.$/, "");
}

function followed(found: readonly (ChainPiece | Damaged)[]): Chain {
  const pieces: ChainPiece[] = [];
  for (const piece of found) {
    const upTo = (breaksOff: string): Chain => ({ pieces, breaksOff });
    if ("damage" in piece) return upTo(piece.damage);
    const { head, path } = piece;
    const before = pieces.at(-1);
    const isNamed = pieceName(head) === path.slice(path.lastIndexOf("/") + 1);
    if (isNamed && (before === undefined || head.previous === before.digest)) {
      pieces.push(piece);
      continue;
    }
    const damage = damageIn(piece); // Of what is damaged nothing is true that it says of itself.
    if (damage !== undefined) return upTo(damage);
    if (!isNamed || before === undefined)
      return upTo(`${path} is another piece than its name says: it was copied or renamed`);
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
    readable(path, () => readRegular(path)),
    path,
  );
  if (piece.digest !== digest) throw unusable(`${path} was changed while it was read.`);
  return piece;
}
