/**
 * The check of a name under which counters are made, deleted and made again.
 *
 * Every answer about such a counter tells its uid, so each life can be checked by itself, as a counter of its own.
 * The lives follow one another in the order of their uids (which are of version 7, and so in the order of time),
 * each ended by exactly one deletion that somebody was told of; laid end to end, with the deletions between them,
 * they are one line of states that real time and the refusals must agree with.
 */
import {
  ABSENT,
  checkCounter,
  checkOrder,
  checkRefusals,
  describe,
  type Entry,
  type Known,
  type Rules,
  type StateEntry,
  toldState,
  type Violation,
} from "./history.ts";

/** Check entries of one name that continue `from`: none of them may have been under way at that point. */
export function checkLives(
  entries: readonly Entry[],
  from: Known,
  rules: Rules,
): { violations: Violation[]; known: Known } {
  const violations: Violation[] = [];
  const told = entries.filter(toldState);
  const byUid = Map.groupBy(told, (entry) => entry.told.uid ?? "");
  if (from.value !== undefined && !byUid.has(from.uid!)) byUid.set(from.uid!, []);

  const line = new Line(from);
  let known = from;
  for (const uid of [...byUid.keys()].sort()) {
    const life = byUid.get(uid)!;
    if (known.value !== undefined && known.uid !== uid) {
      violations.push({ kind: "doubled", text: `${known.uid} ended by nobody's deletion before ${uid}` });
      line.end();
    }
    const deletions = life.filter(({ asked }) => asked.verb === "delete");
    const rest = life.filter(({ asked }) => asked.verb !== "delete");
    const checked = checkCounter(rest, known.uid === uid ? known : ABSENT, rules);
    violations.push(...checked.violations, ...checkEnd(deletions, checked.known));
    line.take(rest, known.uid === uid ? known.revision : 0);
    known = { ...checked.known, uid };
    const [deletion] = deletions;
    if (deletion === undefined) continue;
    line.end(deletion);
    known = { ...ABSENT, uid };
  }
  const refused = entries.filter((entry) => "refused" in entry.told);
  violations.push(...checkOrder(line.told));
  violations.push(...checkRefusals(refused, line.writes, line.values, { revision: 0 }, rules));
  return { violations, known: known.value === undefined ? ABSENT : known };
}

/** A counter is deleted once, as it was at its end. */
function checkEnd(deletions: readonly StateEntry[], { revision, value }: Known): Violation[] {
  const [deletion, ...others] = deletions;
  if (deletion === undefined) return [];
  const violations: Violation[] = others.map((other) => {
    return { kind: "doubled", text: `${describe(other)} ended what had been ended by ${describe(deletion)}` };
  });
  const end = deletion.told;
  if (end.revision === revision && end.value === value) return violations;
  const kind = end.revision < revision ? "lost" : end.revision > revision ? "doubled" : "value";
  violations.push({
    kind,
    text: `expected the end at ${value}, revision ${revision}, got ${describe(deletion)}`,
  });
  return violations;
}

/** Lives laid end to end: each state has a place, which stands for its revision. */
class Line {
  readonly told: StateEntry[] = [];
  readonly writes: StateEntry[] = [];
  /** By place, the value; undefined where there is no counter. */
  readonly values = new Map<number, bigint | undefined>();
  #place = 0;

  constructor({ value }: Known) {
    this.values.set(0, value);
  }

  /** @param before  the revision of the life's that the line has come to */
  take(life: readonly StateEntry[], before: number): void {
    const from = this.#place - before;
    for (const entry of life) {
      const placed = { ...entry, told: { ...entry.told, revision: from + entry.told.revision } };
      this.told.push(placed);
      const { verb } = entry.asked;
      if (verb === "read" || verb === "update") continue;
      this.writes.push(placed);
      this.values.set(placed.told.revision, placed.told.value);
      this.#place = Math.max(this.#place, placed.told.revision);
    }
    this.writes.sort((a, b) => a.told.revision - b.told.revision);
  }

  end(deletion?: StateEntry): void {
    this.#place++;
    this.values.set(this.#place, undefined);
    if (deletion === undefined) return;
    const placed = { ...deletion, told: { ...deletion.told, revision: this.#place } };
    this.told.push(placed);
    this.writes.push(placed);
  }
}
