import type { Database } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import { PolicySet } from "../../../core/policies.ts";
import { CatalogueReader } from "./catalogue-rows.ts";

/** The policies of the catalogue, on a connection: read anew when somebody says that it was written. */
export class PoliciesInFile {
  readonly #catalogue: CatalogueReader;
  #version = 0;
  #set = PolicySet.NONE;
  #stale = true;

  constructor(db: Database) {
    this.#catalogue = new CatalogueReader(db);
  }

  /** As of the latest write. Not for within a transaction that writes the catalogue: it may be rolled back. */
  get now(): PolicySet {
    if (this.#stale) this.#read();
    return this.#set;
  }

  /** After the catalogue was written, or taken away. */
  written(): void {
    this.#stale = true;
  }

  #read(): void {
    try {
      let changes = this.#catalogue.read(this.#version);
      if (changes.version < this.#version) {
        this.#set = PolicySet.NONE;
        changes = this.#catalogue.read(0);
      }
      this.#set = this.#set.with(changes);
      this.#version = changes.version;
    } catch (error) {
      if (!(error instanceof TallyError && error.code === "ROW_CORRUPT")) throw error;
      this.#set = PolicySet.DAMAGED; // Other counters than those that are yet to be made count on.
    }
    this.#stale = false;
  }
}
