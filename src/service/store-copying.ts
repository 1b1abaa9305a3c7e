import type { CatalogueEntry } from "../core/catalogue.ts";
import type { FullCounter } from "../core/counter.ts";
import type { Generation } from "../core/request-ids.ts";
import type { HistoryExport, HistoryPart } from "./store-history-copying.ts";
import type { StoredChange } from "./store-pages.ts";

/**
 * Taking everything that a store keeps into another store, of whatever kind: the catalogue, counters as `list` gives them,
 * the change log as `changesSince` does, and what stands here; its history row by row. Neither store takes commits meanwhile.
 *
 * Rejects as commits do.
 */
export interface Copying {
  /**
   * Which store this is, and what a copy of it begins with. Sees every commit that resolved before it was called.
   */
  exportHead(): Promise<ExportHead>;

  /**
   * Read a page of the request ids that live, with the answers kept under them, in the order of the bytes of
   * their keys. Sees every commit that resolved before it was called.
   *
   * @param cursor  where a former answer ended; "" for the beginning. Opaque
   * @param limit   the most ids, 1 and up
   * @throws TallyError ROW_CORRUPT  when a record fails its checksum: its answer could not be given again
   */
  exportRequestIds(cursor: string, limit: number): Promise<RequestIdPage>;

  /**
   * The history that the store keeps, to be read row by row; undefined where there is none, or nothing was taken into it
   * yet. The method is undefined where none could be kept, and so none is taken in.
   */
  readonly exportHistory?: (() => Promise<HistoryExport | undefined>) | undefined;

  /** What a copy into this store would find, and how far one has come. */
  importState(): Promise<ImportState>;

  /**
   * Begin a copy into this store, in one atomic durable step.
   *
   * - What a copy that was begun before has brought goes, be it ended or not.
   * - The running time goes on from the source's, and its generations of request ids are there, without ids yet: so
   *   each id lives as long here as it would have lived there.
   * - Until `endImport` the store is opened for the purpose "copyTo" only.
   *
   * Rejects with a defect (TypeError), and changes nothing, when there is anything that no copy has brought.
   */
  beginImport(from: ExportHead): Promise<void>;

  /**
   * Take in a part of what another store gave out, in one atomic durable step with `progress`, which `importState`
   * gives from then on. The parts come as the pages did: first the whole catalogue, then all counters, the whole
   * change log, all request ids, and the history; nothing twice. No commits meanwhile.
   *
   * - Counters stay what they were: uid, revisions, times, settings and labels.
   * - Changes get positions of this store, in the same order; each of `commits` is one commit here too.
   * - A change of a uid that no counter has is one of a counter that was deleted.
   * - History has come to the end of the change log with its last part: what is committed from then on is taken into it.
   */
  import(part: ImportPart): Promise<void>;

  /** End the copy: from now on the store can be opened to be served. `importState` knows of the copy until then. */
  endImport(): Promise<void>;
}

/** What is copied from, before its first page. */
export interface ExportHead {
  /** A text that no other store has, and that this one keeps. */
  readonly storeId: string;
  /**
   * A text that is another one as soon as anything was changed that a copy would have. A copy of the store, be it
   * interrupted or not, leaves it as it is.
   */
  readonly state: string;
  /** How long the store has been running, in milliseconds: what the times of the generations are to be seen from. */
  readonly runMs: number;
  /** The request ids that live, by generation: oldest first, the last one open. */
  readonly generations: readonly Omit<Generation, "bytes">[];
}

/** A page of the request ids that live, in the order of their keys. */
export interface RequestIdPage {
  readonly requestIds: readonly StoredRequestId[];
  /** Where to go on. Equal to the cursor given when there was nothing more. */
  readonly cursor: string;
}

/** A request id that lives, and the answer kept under it. */
export interface StoredRequestId {
  /** The id of its generation. */
  readonly generation: number;
  /** As `requestKey` makes it. */
  readonly key: string;
  /** As `encodeAnswer` makes it. */
  readonly record: Uint8Array;
}

/** Some of what a copy takes in, in one transaction. */
export interface ImportPart {
  /** With the versions that they have, those that are gone too; into a store that has a catalogue. */
  readonly catalogue?: readonly CatalogueEntry[];
  /** When keys of the catalogue were last used, as KeyUses.note has it; into a store that keeps it. */
  readonly keyUses?: ReadonlyMap<string, number>;
  readonly counters?: readonly FullCounter[];
  readonly openings?: readonly StoredChange[];
  /** The changes of some commits, the older first; none is empty. */
  readonly commits?: readonly (readonly StoredChange[])[];
  readonly requestIds?: readonly StoredRequestId[];
  readonly history?: HistoryPart;
  /** How far the copy has come with this part; up to 1,000 characters, read only by who copies. */
  readonly progress: string;
}

/** How far a store is, before a copy into it begins or goes on. */
export interface ImportState {
  /** No counter, no change, no request id that lives, no entry of the catalogue, be it gone, and no counter in history. */
  readonly empty: boolean;
  /** The copy into this store that was begun last; undefined when there was none, or the store was served since. */
  readonly copy: ImportedCopy | undefined;
}

/** The copy that was begun last into a store, and how far it came. */
export interface ImportedCopy extends Pick<ExportHead, "storeId" | "state"> {
  /** Of the last part taken in; "" before the first. */
  readonly progress: string;
  /** Whether the copy was ended. */
  readonly ended: boolean;
}
