/** What is asked of SQLite's threads beside counting: the catalogue and the uses of its keys, the change log, copies, and taking what was changed by hand. */
import { assertCatalogueWrite } from "../../core/catalogue.ts";
import type { FullCounter } from "../../core/counter.ts";
import type { StoreOptions } from "../../service/store.ts";
import type { Accepting, LookedPage } from "../../service/store-accepting.ts";
import type { Catalogue, CatalogueChanges } from "../../service/store-catalogue.ts";
import type { Copying, ExportHead, ImportState, RequestIdPage } from "../../service/store-copying.ts";
import type { KeyUses } from "../../service/store-key-uses.ts";
import type { ChangeLogReads, LoggedCounter, LogPage } from "../../service/store-log.ts";
import { assertTakesCopy } from "../shared/import-state.ts";
import { type CrossingLogPage, unpackLogPage } from "./crossing.ts";
import type { SqliteHistoryCopying } from "./history-copying.ts";
import type { WalkRequest } from "./read/read-worker.ts";
import type { Thread } from "./thread.ts";
import { momentOf } from "./write/running-time.ts";
import type {
  AcceptMessage,
  BeginRequest,
  CatalogueRequest,
  HeadRequest,
  ImportRequest,
  KeyUsesRequest,
} from "./write/write-worker.ts";

/** Whom to ask, and what is told with it. */
interface Threads extends Pick<StoreOptions, "clock" | "newUid"> {
  readonly writer: Thread;
  readonly reader: Thread;
}

/** The catalogue of a file: see Catalogue. */
export function catalogueOf({ writer, reader, clock }: Threads): Catalogue {
  return {
    now: () => clock.now(),
    read: (since): Promise<CatalogueChanges> => reader.ask("readCatalogue", since),
    async write(entry): Promise<number | undefined> {
      assertCatalogueWrite(entry); // Here, because over there a TypeError becomes another error.
      return writer.ask("writeCatalogue", { entry, moment: momentOf(clock) } satisfies CatalogueRequest);
    },
  };
}

/** When the keys of a file's catalogue were last used: see KeyUses. */
export function keyUsesOf({ writer, reader, clock }: Threads): KeyUses {
  return {
    note: (hours) => writer.ask("noteKeyUses", { hours, moment: momentOf(clock) } satisfies KeyUsesRequest),
    read: (keyIds) => reader.ask("readKeyUses", keyIds),
  };
}

/** The change log of a file: see ChangeLogReads. */
export function changeLogOf({ reader }: Pick<Threads, "reader">): ChangeLogReads {
  return {
    read: async (cursor, limit): Promise<LogPage> =>
      unpackLogPage(await reader.ask<CrossingLogPage>("readLog", { cursor, limit } satisfies WalkRequest)),
    counters: (ids): Promise<(LoggedCounter | undefined)[]> => reader.ask("loggedCounters", ids),
  };
}

/** Copies from and into a file, and the history beside it: see Copying. */
export function copyingOf(
  { writer, reader, clock, newUid }: Threads,
  history: SqliteHistoryCopying,
): Copying {
  const moment = () => momentOf(clock);
  const importState = async (): Promise<ImportState> => {
    const state = await writer.ask<ImportState>("importState", undefined);
    return { ...state, empty: state.empty && !(await history.isThere()) };
  };
  return {
    importState,
    exportHistory: () => history.exported(),
    exportHead: (): Promise<ExportHead> =>
      writer.ask("exportHead", { newId: newUid(), moment: moment() } satisfies HeadRequest),
    exportRequestIds: (cursor, limit): Promise<RequestIdPage> =>
      reader.ask("exportRequestIds", { cursor, limit } satisfies WalkRequest),
    async beginImport(head): Promise<void> {
      assertTakesCopy(await importState());
      await writer.ask("beginImport", { head, moment: moment() } satisfies BeginRequest);
      await history.clear();
    },
    async import({ history: kept, ...part }): Promise<void> {
      // First, so that what the data file says of it is there. Where it came to both, it may come again.
      if (kept?.reach !== undefined) await writer.ask("endLog", moment());
      if (kept !== undefined) await history.import(kept);
      await writer.ask("import", { part, moment: moment() } satisfies ImportRequest);
    },
    endImport: (): Promise<void> => writer.ask("endImport", moment()),
  };
}

/** Takes what was changed by hand as it stands: see Accepting. */
export function acceptingOf({ writer, reader, clock, newUid }: Threads): Accepting {
  return {
    look: (from, limit): Promise<LookedPage> =>
      reader.ask("look", { cursor: from, limit } satisfies WalkRequest),
    accept(names, revisions, lost): Promise<(FullCounter | string)[]> {
      const newUids = [...names, ...lost].map(() => newUid());
      const request: AcceptMessage = { names, revisions, lost, moment: momentOf(clock), newUids };
      return writer.ask("accept", request);
    },
  };
}
