import type { CatalogueName } from "../core/catalogue.ts";
import { TallyError } from "../core/errors.ts";

/** Why a copy did not come to its end: one sentence for the operator. */
export class CopyError extends Error {
  override readonly name = "CopyError";
  readonly reason: CopyFailure;
  constructor(reason: CopyFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Why a copy was not made, or not finished. */
export type CopyFailure =
  /** The target has something else; nothing was changed. */
  | "REFUSED"
  /** Something in the source is damaged. */
  | "DAMAGED"
  /** What was copied is not what is in the source. */
  | "DIFFERENT"
  /** Told to stop; the next run goes on. */
  | "STOPPED";

/** @param what  a clause */
export function changedByHand(what: string): CopyError {
  return new CopyError(
    "DAMAGED",
    `The source was changed by hand: ${what}. Restore it from a backup, or accept it as it stands (tally accept --store ` +
      "URL NAME..., and --gone for rows that are gone); then copy again.",
  );
}

/** Where what is missing in the source cannot be named. */
export function toldOfDamage(error: unknown): never {
  if (!(error instanceof TallyError) || error.code !== "ROW_CORRUPT") throw error;
  const message = `The source is damaged: ${error.message}. Restore it from a backup.`;
  throw new CopyError("DAMAGED", message, { cause: error });
}

export function damagedEntries(entries: readonly CatalogueName[]): CopyError {
  const some = entries.slice(0, 5).map(({ kind, key }) => `${kind} ${key}`);
  return new CopyError(
    "DAMAGED",
    `The source has damaged entries in its catalogue (${some.join(", ")}); restore it from a backup.`,
  );
}

export function damaged(names: readonly string[]): CopyError {
  const some = names.slice(0, 5).join(", ");
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return new CopyError(
    "DAMAGED",
    `The source has damaged counters (${some}${more}); restore it from a backup, or, if they were changed by hand and ` +
      "are to stay so, accept them: tally accept --store URL NAME... (--gone for rows that are gone); then copy again.",
  );
}
