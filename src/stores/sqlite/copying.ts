/** What is asked of SQLite's threads beside counting: the catalogue, copies, and taking what was changed by hand. */
import { assertCatalogueWrite, type CatalogueWrite } from "../../core/catalogue.ts";
import type { FullCounter } from "../../core/counter.ts";
import type {
  Accepting,
  Catalogue,
  CatalogueChanges,
  Copying,
  ExportHead,
  ImportPart,
  ImportState,
  LookedPage,
  RequestIdPage,
  StoreOptions,
} from "../../service/store.ts";
import { momentOf } from "./moment.ts";
import type { WalkRequest } from "./read/read-worker.ts";
import type { Thread } from "./thread.ts";
import type {
  AcceptMessage,
  BeginRequest,
  CatalogueRequest,
  HeadRequest,
  ImportRequest,
} from "./write/write-worker.ts";

type Given = Pick<StoreOptions, "clock" | "newUid">;

/** The catalogue of a file, by its threads: see Catalogue. */
export class SqliteCatalogue implements Catalogue {
  readonly #writer: Thread;
  readonly #reader: Thread;
  readonly #given: Given;

  constructor(writer: Thread, reader: Thread, given: Given) {
    this.#writer = writer;
    this.#reader = reader;
    this.#given = given;
  }

  read(since: number): Promise<CatalogueChanges> {
    return this.#reader.ask("readCatalogue", since);
  }

  async write(entry: CatalogueWrite): Promise<number | undefined> {
    assertCatalogueWrite(entry); // Here, because over there a TypeError becomes another error.
    const moment = momentOf(this.#given.clock);
    return this.#writer.ask("writeCatalogue", { entry, moment } satisfies CatalogueRequest);
  }
}

/** Copies from and into a file, by its threads: see Copying. */
export class SqliteCopying implements Copying {
  readonly #writer: Thread;
  readonly #reader: Thread;
  readonly #given: Given;

  constructor(writer: Thread, reader: Thread, given: Given) {
    this.#writer = writer;
    this.#reader = reader;
    this.#given = given;
  }

  exportHead(): Promise<ExportHead> {
    const { clock, newUid } = this.#given;
    return this.#writer.ask("exportHead", { newId: newUid(), moment: momentOf(clock) } satisfies HeadRequest);
  }

  exportRequestIds(cursor: string, limit: number): Promise<RequestIdPage> {
    return this.#reader.ask("exportRequestIds", { cursor, limit } satisfies WalkRequest);
  }

  importState(): Promise<ImportState> {
    return this.#writer.ask("importState", undefined);
  }

  beginImport(head: ExportHead): Promise<void> {
    const moment = momentOf(this.#given.clock);
    return this.#writer.ask("beginImport", { head, moment } satisfies BeginRequest);
  }

  import(part: ImportPart): Promise<void> {
    const moment = momentOf(this.#given.clock);
    return this.#writer.ask("import", { part, moment } satisfies ImportRequest);
  }

  endImport(): Promise<void> {
    return this.#writer.ask("endImport", momentOf(this.#given.clock));
  }
}

/** Takes what was changed by hand, by the threads of a file: see Accepting. */
export class SqliteAccepting implements Accepting {
  readonly #writer: Thread;
  readonly #reader: Thread;
  readonly #given: Given;

  constructor(writer: Thread, reader: Thread, given: Given) {
    this.#writer = writer;
    this.#reader = reader;
    this.#given = given;
  }

  look(from: string, limit: number): Promise<LookedPage> {
    return this.#reader.ask("look", { cursor: from, limit } satisfies WalkRequest);
  }

  accept(
    names: readonly string[],
    revisions: ReadonlyMap<string, number>,
    lost: readonly string[],
  ): Promise<(FullCounter | string)[]> {
    const { clock, newUid } = this.#given;
    const newUids = [...names, ...lost].map(() => newUid());
    const request: AcceptMessage = { names, revisions, lost, moment: momentOf(clock), newUids };
    return this.#writer.ask("accept", request);
  }
}
