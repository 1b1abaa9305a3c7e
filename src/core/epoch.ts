import type { CatalogueEntry, CatalogueName, CatalogueWrite } from "./catalogue.ts";
import { CATALOGUE_KINDS } from "./catalogue.ts";

/**
 * Which life of a store it is. After a restore its revisions, positions and versions are given again, to other changes; so
 * what names one of them ends in the epoch, and what was given out before the restore never fits. 8 hexadecimal digits;
 * undefined until the first restore.
 */
export type Epoch = string | undefined;

/** The entry of the catalogue that keeps it: so copies take it along. */
export const EPOCH_NAME = { kind: "setting", key: "epoch" } as const;

/**
 * The epoch of a store whose catalogue does not tell it. No store is given this one: so what was named before does not fit,
 * and what is named meanwhile does.
 */
export const EPOCH_UNKNOWN = "00000000";

/** What an epoch looks like, for patterns. */
export const EPOCH_PATTERN = "[0-9a-f]{8}";

/** What of the whole catalogue an epoch is read from. */
export interface EpochSource {
  readonly entries: readonly CatalogueEntry[];
  readonly corrupt: readonly CatalogueName[];
}

/** The epoch that a catalogue tells; EPOCH_UNKNOWN where it is damaged there, or may be. */
export function epochIn({ entries, corrupt }: EpochSource): Epoch {
  const entry = entries.find(isEpoch);
  if (entry !== undefined) return epochOf(entry.body);
  // What one flipped bit makes of this kind is no other kind.
  const others: readonly string[] = CATALOGUE_KINDS.filter((kind) => kind !== EPOCH_NAME.kind);
  return corrupt.every(({ kind }) => others.includes(kind)) ? undefined : EPOCH_UNKNOWN;
}

/**
 * The write by which a store gets a new epoch.
 *
 * @param bytes  four of them, random
 */
export function newEpoch(
  { entries }: Pick<EpochSource, "entries">,
  bytes: Uint8Array,
): { readonly epoch: string; readonly write: CatalogueWrite } {
  const text = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const entry = entries.find(isEpoch);
  const expectedVersion = entry?.body === undefined ? 0 : entry.version;
  const epoch = text === EPOCH_UNKNOWN || text === epochOf(entry?.body) ? next(text) : text;
  return { epoch, write: { ...EPOCH_NAME, body: JSON.stringify({ epoch }), expectedVersion } };
}

/** A name of something that is of one epoch only. */
export function inEpoch(name: string, epoch: Epoch): string {
  return epoch === undefined ? name : `${name}.${epoch}`;
}

function isEpoch({ kind, key }: CatalogueName): boolean {
  return kind === EPOCH_NAME.kind && key === EPOCH_NAME.key;
}

function epochOf(body: string | undefined): Epoch {
  if (body === undefined) return undefined;
  const [, epoch] = BODY.exec(body) ?? [];
  return epoch ?? EPOCH_UNKNOWN;
}

const BODY = new RegExp(`^\\{"epoch":"(${EPOCH_PATTERN})"\\}$`);

/** The one after it, which is not EPOCH_UNKNOWN. */
function next(epoch: string): string {
  const number = (Number.parseInt(epoch, 16) + 1) % 2 ** 32 || 1;
  return number.toString(16).padStart(8, "0");
}
