import { TallyError } from "../../../core/errors.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { readCopying } from "../rows/copying-row.ts";
import { headReader, isSchemaAsWritten } from "../rows/head.ts";
import type { Looked, Walk } from "./walk.ts";

/** Looks at what there is one row of, and at the catalogue, which is small. */
export class HeadWalk implements Walk {
  readonly part = "the catalogue";
  rows = 0;
  readonly #looked: Looked;

  constructor(looked: Looked) {
    this.#looked = looked;
  }

  step(): boolean {
    const { db, findings } = this.#looked;
    this.#orTell(() => {
      if (!isSchemaAsWritten(db, headReader(db)()))
        findings.add("HEAD_DAMAGED", "schema", "its tables are not those that were written", "restore");
    });
    this.#orTell(() => readCopying(db));
    this.#orTell(() => {
      const { entries, corrupt } = new CatalogueReader(db).read(0);
      this.rows = entries.length + corrupt.length;
      for (const { kind, key } of corrupt)
        findings.add("CATALOGUE_DAMAGED", `${kind} ${key}`, "its entry fails its checksum", "restore");
    });
    return false;
  }

  #orTell(look: () => void): void {
    try {
      look();
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      const code = error.code === "ROW_CORRUPT" ? "CATALOGUE_DAMAGED" : "HEAD_DAMAGED";
      this.#looked.findings.add(code, "the file", error.message.replace(/[;.].*$/s, ""), "restore");
    }
  }
}
