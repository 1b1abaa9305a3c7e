import { type Entry, History, type Known, NEW_SETTINGS, PLAIN_RULES, type Violation } from "./history.ts";
import { TimedAccount } from "./timed.ts";
import { isTimed } from "./timed-counters.ts";
import { rulesOf } from "./workload.ts";

/** All that the callers of a run were told: what the counters, their settings and their ends must agree with. */
export class Account {
  readonly #counters = new History(rulesOf);
  /** By uid, the settings: their marks, which revision by revision must follow from each other like values. */
  readonly #settings = new History(() => PLAIN_RULES, NEW_SETTINGS);
  readonly #deleted = new Set<string>();
  readonly timed = new TimedAccount();

  add(entry: Entry): void {
    const { name, asked, told } = entry;
    if (isTimed(name)) {
      this.timed.add(entry);
      return;
    }
    this.#counters.add(entry);
    if (!("revision" in told)) return;
    if (asked.verb === "delete") this.#deleted.add(told.uid!);
    if (told.settings === undefined) return;
    const { revision, mark } = told.settings;
    this.#settings.add({
      ...entry,
      name: `the settings of ${name}, ${told.uid}`,
      asked: asked.verb === "update" ? { verb: "set", value: asked.mark } : { verb: "read" },
      told: { revision, value: mark, uid: told.uid },
    });
  }

  /** See History.check. */
  check(): Violation[] {
    return [...this.#counters.check(), ...this.#settings.check(), ...this.timed.check()];
  }

  /** Where the checked counters stand. */
  get known(): ReadonlyMap<string, Known> {
    return this.#counters.known;
  }

  /** The uids of counters whose deletion somebody was told of. */
  get deleted(): ReadonlySet<string> {
    return this.#deleted;
  }
}
