import type { CatalogueEntry, CatalogueName, CatalogueWrite } from "../core/catalogue.ts";

/**
 * What is kept beside counters, in entries: see core/catalogue.ts. One version rises with each write, so that whoever has
 * read up to one asks for what came after it, and hears of every entry that was written or taken away since.
 */
export interface Catalogue {
  /**
   * Read what was written after a version, as of one moment. Sees every write that resolved before it was called.
   *
   * - In the order of the versions, each entry once, as it is now; those that are gone too.
   * - Of a row that fails its checksum, what it says it is, without a promise that it is so.
   *
   * @param since  0, or the version of a former answer
   * @throws TallyError ROW_CORRUPT  when something is missing that cannot be named, or the version itself is damaged
   */
  read(since: number): Promise<CatalogueChanges>;

  /**
   * Write an entry, or take it away, in one atomic durable step: if it still is as the writer knows it.
   *
   * @returns  the version that it has from now on; undefined when it, or the version of the latest write where that was
   *           asked for, is another than expected, and nothing was changed
   * @throws TypeError               what no store is to keep, see assertCatalogueWrite
   * @throws TallyError ROW_CORRUPT  when it is damaged, or may be there and cannot be found; nothing was changed
   */
  write(entry: CatalogueWrite): Promise<number | undefined>;

  /**
   * The same for one who reads on by himself: that another catalogue stands there is told once, to whoever asks next.
   * Absent where none can come to stand there.
   */
  forReader?(): Catalogue;

  /** The time by the clock that the store presents counters by; absent where none follows a policy. */
  now?(): number | Promise<number>;
}

/** What of the catalogue came after a version. */
export interface CatalogueChanges {
  /** Of the latest write; below `since` when another catalogue stands there by now, which is to be read from 0. */
  readonly version: number;
  readonly entries: readonly CatalogueEntry[];
  /** Of the damaged rows after `since`. */
  readonly corrupt: readonly CatalogueName[];
}
