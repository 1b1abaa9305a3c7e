/** Whose an archive is: a folder of pieces is one store's, which is noted in it before the first of them. */
import { basename, dirname, join } from "node:path";
import { unusable } from "../../shared/unusable.ts";
import { readRegular } from "../file/regular.ts";
import { OWNER, writeWhole } from "./folder.ts";

/**
 * Refuse what is noted as another store's.
 *
 * @param folder   of an epoch
 * @param storeId  of the store; null of one that was never archived nor copied
 * @returns        whether it is noted as this one's
 * @throws TallyError STORE_UNAVAILABLE  with what to do; or what keeps it from being read
 */
export function assertOwner(folder: string, storeId: string | null): boolean {
  const owner = ownerIn(folder);
  if (owner === undefined) return false;
  if (owner === storeId) return true;
  throw unusable(
    `${dirname(folder)} has the archive of another store (${owner}; this one is ${storeId ?? "new"}), and nothing of this one is archived: give it a folder of its own (archive-dir), and restart it; or, where that archive is of no use any more, move ${folder} away, and it begins there.`,
  );
}

/** Note whose it is. */
export function noteOwner(folder: string, storeId: string): void {
  writeWhole(folder, OWNER, Buffer.from(JSON.stringify({ format: FORMAT, storeId } satisfies Owner)));
}

interface Owner {
  readonly format: typeof FORMAT;
  /** See CopyingRow. */
  readonly storeId: string;
}

const FORMAT = "tally-archive-store/1";

/** @returns  undefined where nobody has noted it: there is no folder, or it is new, or of an older Tally */
function ownerIn(folder: string): string | undefined {
  const path = join(folder, OWNER);
  let text: string;
  try {
    text = readRegular(path).toString("utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const owner = parsed(text);
  if (owner?.format === FORMAT && typeof owner.storeId === "string") return owner.storeId;
  throw unusable(
    `${path} does not say whose archive ${basename(folder)} is: it is damaged, or of a newer Tally. If it is this store's, remove that file; else give this store a folder of its own (archive-dir).`,
  );
}

function parsed(text: string): Partial<Owner> | undefined {
  try {
    return (JSON.parse(text) as Partial<Owner> | null) ?? undefined;
  } catch {
    return undefined;
  }
}
