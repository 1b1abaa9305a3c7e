import { type Epoch, epochIn } from "../../core/epoch.ts";
import { TallyError } from "../../core/errors.ts";
import { PolicySet } from "../../core/policies.ts";
import type { CatalogueChanges } from "../../service/store-catalogue.ts";
import { NEWER, toChanges } from "./catalogue.ts";
import type { Database } from "./connection/database.ts";
import type { Session, Statement } from "./connection/session.ts";

/**
 * The policies of the catalogue, as this process knows them. Any process may set one, so whoever is to go by them says how
 * far the catalogue was by a statement of its own (CATALOGUE_MARK): what this process does not know by then is read, in the
 * same transaction, for who holds locks waits for no other connection.
 */
export class PoliciesInDatabase {
  readonly #newer: Statement;
  #known: Known = { mark: undefined, which: "", version: 0, set: PolicySet.NONE };

  /** Of the store, as it was when the catalogue was read last: etags of a commit are judged by it. */
  epoch: Epoch;

  /** @param epoch  as the whole catalogue tells it */
  constructor(database: Database, epoch: Epoch) {
    this.epoch = epoch;
    this.#newer = database.statement(NEWER);
  }

  /**
   * All that there were when a statement of this session has found the catalogue at a mark; or later ones.
   *
   * @param asOf  whether the session reads as of one moment, and so may see less than is known here by now
   */
  async at(session: Session, mark: unknown, asOf = false): Promise<PolicySet> {
    const known = this.#known;
    if (mark === known.mark) return known.set;
    try {
      let changes = await this.#since(session, known.version);
      const same = changes.which === known.which;
      if (asOf && same && changes.version < known.version) return known.set;
      const goesOn = same && changes.version >= known.version;
      if (!goesOn && known.version > 0) changes = await this.#since(session, 0);
      const told = epochIn(changes);
      if (!goesOn || told !== undefined) this.epoch = told;
      const set = (goesOn ? known.set : PolicySet.NONE).with(changes);
      // What is damaged is looked at again. Of two that read at once, who comes second leaves it to the next one.
      if (!set.damaged && this.#known === known) this.#known = { ...changes, set };
      return set;
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      return PolicySet.DAMAGED; // Other counters than those that are yet to be made count on.
    }
  }

  async #since(session: Session, version: number): Promise<CatalogueChanges & Omit<Known, "set">> {
    return toChanges(await session.send(this.#newer, [version]), version);
  }
}

/** What was read last, and of which catalogue. */
interface Known {
  readonly mark: string | undefined;
  readonly which: string;
  readonly version: number;
  readonly set: PolicySet;
}
