import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { unusable } from "../../shared/unusable.ts";
import { pieceName, piecesIn } from "./folder.ts";
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
 * @returns      from the first piece on in which the store has that id; undefined when it is in none
 * @throws TallyError STORE_UNAVAILABLE  when something is there that is no piece, or the first of them may lack its beginning
 */
export function chainFrom(dir: string, walId: string): Chain | undefined {
  for (const folder of foldersIn(dir)) {
    const { names, others } = piecesIn(folder);
    const pieces = names.map((name) => ({ path: join(folder, name), ...factsOf(join(folder, name)) }));
    const first = pieces.findIndex(({ head }) => head.walId === walId);
    if (first === -1) continue;
    if (others.length > 0)
      throw unusable(`${join(folder, others[0]!)} is no piece of the archive, by its name: move it away.`);
    const { head, path } = pieces[first]!;
    if (head.previous !== null && head.previous !== pieces[first - 1]?.digest)
      throw unusable(
        `What comes before ${path} is not there, and the backup may be from before it: restore a later backup.`,
      );
    return followed(pieces.slice(first));
  }
  return undefined;
}

/** @throws TallyError STORE_UNAVAILABLE  when the archive cannot be read */
function foldersIn(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(dir, name));
  } catch (cause) {
    throw unusable(`The archive ${dir} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, cause);
  }
}

function followed(pieces: readonly ChainPiece[]): Chain {
  for (const [i, { head, path }] of pieces.entries()) {
    const upTo = (breaksOff: string): Chain => ({ pieces: pieces.slice(0, i), breaksOff });
    if (pieceName(head) !== path.slice(path.lastIndexOf("/") + 1))
      return upTo(`${path} is another piece than its name says: it was copied or renamed`);
    const before = pieces[i - 1];
    if (before === undefined || head.previous === before.digest) continue;
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
  const piece = readPiece(readFileSync(path), path);
  if (piece.digest !== digest) throw unusable(`${path} was changed while it was read.`);
  return piece;
}
