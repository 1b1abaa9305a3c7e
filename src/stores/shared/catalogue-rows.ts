/** Rows of the catalogue, as the tables of both SQL stores have them, and what shows that none is missing. */
import type { CatalogueEntry, CatalogueName } from "../../core/catalogue.ts";
import { TallyError } from "../../core/errors.ts";
import type { CatalogueChanges } from "../../service/store-catalogue.ts";
import { Checksum, fits } from "./checksum.ts";

/** The columns of a CatalogueRow. */
export const CATALOGUE_COLUMNS = "version, kind, key, body, checksum";

/** A row of `catalogue`; one that is damaged may have anything in its columns. */
export interface CatalogueRow {
  readonly version: bigint;
  readonly kind: string;
  readonly key: string;
  /** NULL once the entry is gone: its row stays, so that who has read before hears of it. */
  readonly body: string | null;
  readonly checksum: bigint;
}

/** The row of `catalogue_state`. */
export interface CatalogueState {
  /** Of the latest write. */
  readonly version: bigint;
  /** How many rows there are, and the sum of their versions. */
  readonly entries: bigint;
  readonly versions: bigint;
}

/** What a scan of all rows found. */
export interface CatalogueScan extends Pick<CatalogueState, "entries" | "versions"> {
  /** How many were written after the version that was asked for. */
  readonly newer: bigint;
}

/** The checksum of a CatalogueRow. */
export function catalogueChecksum(version: bigint, kind: string, key: string, body: string | null): number {
  const sum = new Checksum().int64(version).text(kind).text(key);
  return body === null ? sum.word(0).value : sum.word(1).text(body).value;
}

/** Whether a row is what was written. */
export function isSoundEntry({ version, kind, key, body, checksum }: CatalogueRow): boolean {
  return fits(() => catalogueChecksum(version, kind, key, body), checksum);
}

/**
 * What Catalogue.read gives of rows.
 *
 * @param rows  those after the version asked for, in the order of their versions
 * @throws TallyError ROW_CORRUPT when one is missing, among them or before them
 */
export function toCatalogueChanges(
  { version, entries: count, versions }: CatalogueState,
  scan: CatalogueScan,
  rows: readonly CatalogueRow[],
): CatalogueChanges {
  if (scan.entries !== count || scan.versions !== versions || scan.newer !== BigInt(rows.length))
    throw catalogueDamaged();
  const entries: CatalogueEntry[] = [];
  const corrupt: CatalogueName[] = [];
  for (const row of rows) {
    const { kind, key, body } = row;
    if (isSoundEntry(row)) entries.push({ kind, key, version: Number(row.version), body: body ?? undefined });
    else corrupt.push({ kind: `${kind}`, key: `${key}` });
  }
  return { version: Number(version), entries, corrupt };
}

/** Where something is missing that nobody can name. */
export function catalogueDamaged(): TallyError {
  return new TallyError("ROW_CORRUPT", "the catalogue is damaged: restore the store from a backup", {
    part: "catalogue",
  });
}

/** The state after a write. @param replaced  the version that the entry had before, if it was there */
export function afterWrite(
  { version, entries, versions }: CatalogueState,
  replaced: bigint | undefined,
): CatalogueState {
  const next = version + 1n;
  const more = replaced === undefined ? 1n : 0n;
  return { version: next, entries: entries + more, versions: versions + next - (replaced ?? 0n) };
}

/** The state after some entries came from another store, with the versions that they have there. */
export function afterImport(state: CatalogueState, imported: readonly CatalogueEntry[]): CatalogueState {
  let { version, versions } = state;
  for (const entry of imported) {
    const its = BigInt(entry.version);
    versions += its;
    if (its > version) version = its;
  }
  return { version, entries: state.entries + BigInt(imported.length), versions };
}
