import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import { unlessCorrupt } from "./damage.ts";
import { isTimedChecksum } from "./guard.ts";
import { MissingNames } from "./linked-entries.ts";
import { type RawRow, ROW, stillOf } from "./rows.ts";
import { TimingReader } from "./timing-rows.ts";

/** Reads counters, and tells a missing one from a damaged one. For any connection. */
export class RowReader {
  readonly #byName: Statement<[string], RawRow>;
  readonly #byId: Statement<[bigint], RawRow>;
  readonly #missing: MissingNames;
  readonly #timings: TimingReader;

  constructor(db: Database) {
    // The row's own name, not the index's copy, so that the checksum covers what is stored in the row. A row whose
    // count has gone has no value, and fails its checksum.
    this.#byName = db.prepare(
      `${ROW} WHERE counters.id = (SELECT counter_id FROM counter_names WHERE name = ?)`,
    );
    // The plus hides from the planner that the id is a parameter: it would plan anew for each one, in 20 us.
    this.#byId = db.prepare(`${ROW} WHERE counters.id = +?`);
    this.#missing = new MissingNames(db);
    this.#timings = new TimingReader(db);
  }

  find(name: string): RawRow | undefined | typeof CORRUPT {
    return unlessCorrupt(() => {
      const raw = this.#byName.get(name);
      if (raw !== undefined) return this.#sound(raw, name);
      return this.#missing.lacks(name) ? undefined : CORRUPT;
    });
  }

  /** The counter that an index says has this name. */
  follow(id: bigint, name: string): RawRow | typeof CORRUPT {
    return unlessCorrupt(() => {
      const raw = this.#byId.get(id);
      return raw === undefined ? CORRUPT : this.#sound(raw, name);
    });
  }

  /** The counter that has this id. That there is none is for the caller to prove. */
  at(id: bigint): RawRow | undefined | typeof CORRUPT {
    return unlessCorrupt(() => {
      const raw = this.#byId.get(id);
      return raw && this.#sound(raw, raw.name);
    });
  }

  #sound(found: RawRow, name: string): RawRow | typeof CORRUPT {
    const raw = isTimedChecksum(found.checksum) ? this.#timings.joined(found) : found;
    return raw.name !== name || stillOf(raw) === undefined ? CORRUPT : raw;
  }
}
