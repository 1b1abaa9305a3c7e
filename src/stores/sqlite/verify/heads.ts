import { TallyError } from "../../../core/errors.ts";
import { fits } from "../../shared/checksum.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { readCopying } from "../rows/copying-row.ts";
import { headReader, isSchemaAsWritten } from "../rows/head.ts";
import { keyUseChecksum, readKeyUses } from "../rows/key-uses.ts";
import { behindTexts, type Looked, type Walk } from "./walk.ts";

/** Looks at what there is one row of, at the catalogue, and at when keys were used, which is small. */
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
    this.#lookAtKeyUses();
    return false;
  }

  #lookAtKeyUses(): void {
    const { db, findings } = this.#looked;
    let before = "";
    for (const { key_id: id, hour_ms: hourMs, checksum } of readKeyUses(db)) {
      behindTexts([before], [id]);
      before = id;
      this.rows++;
      if (!fits(() => keyUseChecksum(id, hourMs), checksum))
        findings.add("KEY_USE_DAMAGED", `key ${id}`, "when it was last used fails its checksum", "use");
    }
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
