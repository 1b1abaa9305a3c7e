/**
 * The account of counters that time does something to. What they are at a moment depends on the server's clock, so they are
 * not checked state by state: each accepted call moved the value by just its amount, no two have one revision, and in the
 * log there are as many as were accepted, and every end of a window and of a counter once, at its time.
 */
import { ChangeKind, endsCounter } from "../../../src/core/change.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import { describe, type Entry, type Violation } from "./history.ts";
import { IDLE_TTL_MS, INITIAL, isIdle, refills, WINDOW_MS } from "./timed-counters.ts";

/** How often a counter was changed, over all that had its name, and by how much in all. */
interface Counted {
  ops: number;
  sum: bigint;
}

export class TimedAccount {
  readonly #counted = new Map<string, Counted>();
  readonly #atRevision = new Map<string, Entry>();
  #violations: Violation[] = [];

  add(entry: Entry): void {
    const { name, asked, told } = entry;
    if ("refused" in told) return;
    if ("moved" in told) {
      const right =
        asked.verb === "take"
          ? told.moved === asked.amount
          : asked.verb === "give back" && told.moved <= 0n && -told.moved <= asked.amount;
      if (!right) this.#violations.push({ kind: "value", text: describe(entry) });
      count(this.#counted, name, 1, told.moved);
      return;
    }
    if (asked.verb !== "add" && asked.verb !== "create") throw new TypeError(`no ${asked.verb} is expected`);
    const amount = asked.verb === "add" ? asked.amount : asked.value;
    if (told.previous !== undefined && told.value - told.previous !== amount) {
      this.#violations.push({ kind: "value", text: `${describe(entry)} went from ${told.previous}` });
    }
    const place = `${isIdle(name) ? told.uid : name} ${told.revision}`;
    const other = this.#atRevision.get(place);
    if (other !== undefined) {
      this.#violations.push({
        kind: "lost",
        text: `${describe(entry)} has the revision of ${describe(other)}`,
      });
    }
    this.#atRevision.set(place, entry);
    count(this.#counted, name, 1, amount);
  }

  /** What is wrong with what was told since the last check. */
  check(): Violation[] {
    return this.#violations.splice(0);
  }

  /** What of a log is not what was told. */
  faultsOf(log: TimedLog): string[] {
    const faults = [...log.faults];
    for (const name of new Set([...this.#counted.keys(), ...log.counted.keys()])) {
      const told = this.#counted.get(name) ?? { ops: 0, sum: 0n };
      const found = log.counted.get(name) ?? { ops: 0, sum: 0n };
      if (told.ops !== found.ops)
        faults.push(`${name} has ${found.ops} changes, and ${told.ops} were accepted`);
      else if (!refills(name) && told.sum !== found.sum) {
        faults.push(`the changes of ${name} add up to ${found.sum}, and those accepted to ${told.sum}`);
      }
    }
    return faults;
  }
}

/** What the log says of them, read from its beginning. */
export class TimedLog {
  readonly faults: string[] = [];
  readonly counted = new Map<string, Counted>();
  rolls = 0;
  expiries = 0;
  /** By uid: when the value last changed, and the end of the window that this was in. */
  readonly #seen = new Map<string, { changed: number; windowEnd: number; value: bigint }>();

  take({ name, uid, kind, ops, time, added, removed, value }: StoredChange): void {
    const seen = this.#seen.get(uid);
    if (kind === ChangeKind.ROLL) {
      this.rolls++;
      if (seen?.windowEnd !== time)
        this.faults.push(`${name} rolled at ${time}, expected ${seen?.windowEnd}`);
      if (value !== INITIAL) this.faults.push(`${name} rolled to ${value}`);
      this.#seen.set(uid, { changed: time, windowEnd: Number.POSITIVE_INFINITY, value });
    } else if (endsCounter(kind)) {
      this.expiries++;
      const due = seen === undefined ? undefined : seen.changed + IDLE_TTL_MS;
      if (due !== time) this.faults.push(`${name} expired at ${time}, expected ${due}`);
      this.#seen.delete(uid);
    } else {
      const windowEnd = (Math.floor(time / WINDOW_MS) + 1) * WINDOW_MS;
      if (
        name.startsWith("timed/window/") &&
        seen !== undefined &&
        seen.value !== INITIAL &&
        time >= seen.windowEnd
      )
        this.faults.push(`${name} changed at ${time}, and its window, until ${seen.windowEnd}, did not end`);
      count(this.counted, name, ops, added - removed);
      this.#seen.set(uid, { changed: time, windowEnd, value });
    }
  }
}

function count(counted: Map<string, Counted>, name: string, ops: number, amount: bigint): void {
  const before = counted.get(name) ?? { ops: 0, sum: 0n };
  counted.set(name, { ops: before.ops + ops, sum: before.sum + amount });
}
