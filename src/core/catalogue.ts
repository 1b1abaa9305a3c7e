/**
 * The catalogue: what is kept beside counters, and is small enough to be had whole in memory. Of each entry a store keeps
 * a text, and knows nothing of what it says.
 */
export const CATALOGUE_KINDS = ["principal", "key", "binding", "policy", "webhook", "setting"] as const;
/** What an entry is; each kind has keys of its own. */
export type CatalogueKind = (typeof CATALOGUE_KINDS)[number];

/** Which entry: no two have both in common. */
export interface CatalogueName {
  /** A CatalogueKind; or, where a newer release runs on the same store, one that this one does not know. */
  readonly kind: string;
  /** 1 to 1,000 characters. */
  readonly key: string;
}

/** An entry as a store has it, or that it is gone. */
export interface CatalogueEntry extends CatalogueName {
  /** Of the write that left it as it is: 1 and up. Each write takes the next, whichever entry it is of. */
  readonly version: number;
  /** A JSON text of up to 64 Ki characters; undefined once the entry is gone. */
  readonly body: string | undefined;
}

/** What an entry is to become, if it still is what its writer knows. */
export interface CatalogueWrite extends CatalogueName {
  readonly kind: CatalogueKind;
  /** See CatalogueEntry; undefined takes the entry away. */
  readonly body: string | undefined;
  /** Of the entry as the writer knows it; 0 when there is none, or it is gone. */
  readonly expectedVersion: number;
  /** If given: only while this is still the version of the latest write of all, whichever entry that was of. */
  readonly latestVersion?: number;
}

/**
 * Refuse what no store is to keep.
 *
 * @throws TypeError  a kind or a length that is none, a NUL or half of a character, which not every store can keep; taking
 *                    away what there is not
 */
export function assertCatalogueWrite({ kind, key, body, expectedVersion }: CatalogueWrite): void {
  const texts = [key, body ?? ""];
  const fits = key.length >= 1 && key.length <= KEY_MAX && (body ?? "").length <= BODY_MAX;
  if (!CATALOGUE_KINDS.includes(kind) || !fits)
    throw new TypeError(`expected an entry of the catalogue, got ${kind} ${key.slice(0, 80)}`);
  if (texts.some((text) => text.includes("\0") || !text.isWellFormed()))
    throw new TypeError("expected a text without NUL and halves of characters");
  if (!Number.isSafeInteger(expectedVersion) || expectedVersion < (body === undefined ? 1 : 0))
    throw new TypeError(`expected a version, got ${expectedVersion}`);
}

const KEY_MAX = 1_000;
const BODY_MAX = 65_536;
