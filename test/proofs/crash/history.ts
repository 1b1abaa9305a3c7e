/**
 * What callers asked for and were told, and the check that the counters did exactly that.
 *
 * Every change tells the value and the revision it led to (+1 per applied change), so one counter's history can be
 * checked exactly, in O(n log n), where the general problem is exponential: the revisions give the only possible
 * order; it is left to see that the values follow from each other in that order, and that it never contradicts
 * real time.
 */
import { checkLives } from "./lives.ts";

/** One operation of one caller, from its first sending to its final answer, however often it was retried. */
export interface Entry {
  readonly name: string;
  readonly asked: Asked;
  readonly told: Told;
  /** On a clock that every caller shares (CLOCK_MONOTONIC), in microseconds. */
  readonly startUs: number;
  readonly endUs: number;
  /** Tells this operation from every other: its request id, and its place in a batch. */
  readonly id: string;
}

export type Asked =
  /** An increment, or with a negative amount a decrement. */
  | { readonly verb: "add"; readonly amount: bigint }
  | { readonly verb: "set"; readonly value: bigint }
  | { readonly verb: "reset" }
  | { readonly verb: "create"; readonly value: bigint }
  /** A change of settings, told apart by a number of its own that goes into them. To the value it is a read. */
  | { readonly verb: "update"; readonly mark: bigint }
  | { readonly verb: "delete"; readonly keepHistory: boolean }
  /** From a limit, or back to it. Their answers tell no revision. */
  | { readonly verb: "take" | "give back"; readonly amount: bigint }
  | { readonly verb: "read" };

export type Told =
  /** The counter at a revision. `previous` is told by changes, `uid` by all but the operations of a batch. */
  | {
      readonly revision: number;
      readonly value: bigint;
      readonly previous?: bigint | undefined;
      readonly uid?: string | undefined;
      /** The settings, where the whole counter is told: their revision, and the mark of the last update (0 for none). */
      readonly settings?: { readonly revision: number; readonly mark: bigint } | undefined;
    }
  /** By how much the value was moved, where that is all that is told. */
  | { readonly moved: bigint }
  /** Refused; `value` where the refusal mentions it. A read of a missing counter is COUNTER_NOT_FOUND. */
  | { readonly refused: string; readonly value?: bigint | undefined };

/** The settings of a counter that its callers count on. */
export interface Rules {
  readonly initial: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly clamp: boolean;
  /** Whether it is deleted and made again: see lives.ts. */
  readonly mortal?: boolean;
}

export const PLAIN_RULES: Rules = { initial: 0n, min: -(2n ** 63n), max: 2n ** 63n - 1n, clamp: false };

/**
 * - lost: an acknowledged change is not there (another one has its revision, or the counter ended before it)
 * - doubled: a change stands in the counter that no caller's answer accounts for. Every caller retries until it is
 *   answered, so this is a retry that counted again, or half a batch.
 * - value: the value does not follow from the one before
 * - order: the order of the revisions contradicts real time; a stale read, say
 * - refusal: nothing that the counter was at the time explains a refusal
 * - identity: a counter has two uids
 * - answer: a call was answered in a way that its caller may not meet
 */
export type ViolationKind = "lost" | "doubled" | "value" | "order" | "refusal" | "identity" | "answer";

export interface Violation {
  readonly kind: ViolationKind;
  readonly text: string;
}

/** What is established about a counter: the end of its checked history. */
export interface Known {
  readonly revision: number;
  /** Undefined when there is no such counter. */
  readonly value: bigint | undefined;
  readonly uid: string | undefined;
}

/** Where the settings of a new counter are. */
export const NEW_SETTINGS: Known = { revision: 1, value: 0n, uid: undefined };

export const ABSENT: Known = { revision: 0, value: undefined, uid: undefined };

/**
 * Collects entries and checks them in stages.
 *
 * `check` is to be called when no operation is under way. It forgets what it has checked and keeps where each
 * counter stands, so a long run needs little memory and stops soon after the first violation.
 */
export class History {
  readonly #rulesOf: (name: string) => Rules;
  readonly #start: Known;
  #entries = new Map<string, Entry[]>();
  readonly #known = new Map<string, Known>();

  /** @param start  where every counter is before its first entry */
  constructor(rulesOf: (name: string) => Rules = () => PLAIN_RULES, start: Known = ABSENT) {
    this.#rulesOf = rulesOf;
    this.#start = start;
  }

  add(entry: Entry): void {
    const entries = this.#entries.get(entry.name);
    if (entries === undefined) this.#entries.set(entry.name, [entry]);
    else entries.push(entry);
  }

  check(): Violation[] {
    const violations: Violation[] = [];
    for (const [name, entries] of this.#entries) {
      const rules = this.#rulesOf(name);
      const check = rules.mortal === true ? checkLives : checkCounter;
      const checked = check(entries, this.#known.get(name) ?? this.#start, rules);
      violations.push(...checked.violations);
      this.#known.set(name, checked.known);
    }
    this.#entries = new Map();
    return violations;
  }

  /** Where the checked counters stand. */
  get known(): ReadonlyMap<string, Known> {
    return this.#known;
  }
}

/** Check entries of one counter that continue `from`: none of them may have been under way at that point. */
export function checkCounter(
  entries: readonly Entry[],
  from: Known,
  rules: Rules,
): { violations: Violation[]; known: Known } {
  const told = entries.filter(toldState);
  const writes = told.filter(({ asked }) => !isRead(asked)).sort(byRevision);
  const reads = told.filter(({ asked }) => isRead(asked));
  const refused = entries.filter((entry) => "refused" in entry.told);

  const chain = chainOf(writes, from, rules);
  const violations = [
    ...chain.violations,
    ...reads.flatMap((read) => checkRead(read, chain.values, from)),
    ...checkOrder(told),
    ...checkRefusals(refused, writes, chain.values, from, rules),
    ...checkIdentity(told, from),
  ];
  const uid = from.uid ?? told.find((entry) => entry.told.uid !== undefined)?.told.uid;
  return { violations, known: { ...chain.end, uid } };
}

type State = Extract<Told, { revision: number }>;
export type StateEntry = Entry & { readonly told: State };

/** Whether an operation leaves the value as it is. */
function isRead({ verb }: Asked): boolean {
  return verb === "read" || verb === "update";
}

export function toldState(entry: Entry): entry is StateEntry {
  return "revision" in entry.told;
}

function byRevision(a: StateEntry, b: StateEntry): number {
  return a.told.revision - b.told.revision;
}

/** Follow the changes from revision to revision. */
function chainOf(writes: readonly StateEntry[], from: Known, rules: Rules) {
  const violations: Violation[] = [];
  const values = new Map<number, bigint | undefined>([[from.revision, from.value]]);
  let { revision, value } = from;
  let last: StateEntry | undefined;
  for (const write of writes) {
    const { told } = write;
    if (told.revision <= revision) {
      const other = last === undefined ? "a change checked before" : describe(last);
      violations.push({ kind: "lost", text: `${describe(write)} has the revision of ${other}` });
      continue;
    }
    if (told.revision > revision + 1) {
      const hole = `revisions ${revision + 1} to ${told.revision - 1} of ${write.name}`;
      violations.push({ kind: "doubled", text: `${hole} are nobody's; next is ${describe(write)}` });
      // What was there is not known; the answer says what it continued from.
      value = told.previous ?? value;
    }
    const expected = outcomeOf(write.asked, value, rules);
    const previous = value ?? rules.initial;
    if (told.value !== expected || (told.previous !== undefined && told.previous !== previous)) {
      const saw = `after ${previous} expected ${expected}`;
      violations.push({ kind: "value", text: `${saw}, got ${describe(write)}` });
    }
    ({ revision, value } = told);
    values.set(revision, value);
    last = write;
  }
  return { violations, values, end: { revision, value } };
}

/** The rule of counting once more, in the few lines that the checker needs: the new value, or the refusal. */
function outcomeOf(asked: Asked, value: bigint | undefined, rules: Rules): bigint | string | undefined {
  switch (asked.verb) {
    case "read":
    case "update":
    case "delete":
      return value ?? "COUNTER_NOT_FOUND";
    case "create":
      return value === undefined ? asked.value : "COUNTER_EXISTS";
    case "set":
      return asked.value;
    case "reset":
      return value === undefined ? "COUNTER_NOT_FOUND" : rules.initial;
    case "add": {
      if (value === undefined && asked.amount < 0n) return "COUNTER_NOT_FOUND";
      const sum = (value ?? rules.initial) + asked.amount;
      if (sum > rules.max) return rules.clamp ? rules.max : "ABOVE_MAX";
      if (sum < rules.min) return rules.clamp ? rules.min : "BELOW_MIN";
      return sum;
    }
    default:
      throw new TypeError(`expected a verb whose answer tells the value, got ${asked.verb}`);
  }
}

function checkRead(read: StateEntry, values: Map<number, bigint | undefined>, from: Known): Violation[] {
  const { revision, value } = read.told;
  if (revision < from.revision) {
    return [
      { kind: "order", text: `${describe(read)} is stale: revision ${from.revision} was reached before` },
    ];
  }
  if (!values.has(revision)) {
    return [{ kind: "doubled", text: `${describe(read)} shows a revision that is nobody's` }];
  }
  const expected = values.get(revision);
  return value === expected
    ? []
    : [{ kind: "value", text: `expected ${expected} there, got ${describe(read)}` }];
}

/**
 * Nothing may have ended before something began that stands earlier in the order.
 *
 * In the order (a read after the change it saw; reads of one revision by their start) keep the latest start so
 * far; an entry that ended before it broke real time.
 */
export function checkOrder(told: readonly StateEntry[]): Violation[] {
  const violations: Violation[] = [];
  const late = ({ asked }: Entry) => (isRead(asked) ? 1 : 0);
  const order = told.toSorted((a, b) => byRevision(a, b) || late(a) - late(b) || a.startUs - b.startUs);
  let latest: StateEntry | undefined;
  for (const entry of order) {
    if (latest !== undefined && entry.endUs < latest.startUs) {
      const text = `${describe(latest)} began after ${describe(entry)} had ended, and stands before it`;
      violations.push({ kind: "order", text });
    }
    if (latest === undefined || entry.startUs > latest.startUs) latest = entry;
  }
  return violations;
}

/**
 * A refusal must follow from something that the counter was between the request and the answer.
 *
 * The counter may have been at revision r from the latest start among the changes up to r to the earliest end
 * among those after it. One-sided: two refusals that contradict only each other are not noticed.
 */
export function checkRefusals(
  refused: readonly Entry[],
  writes: readonly StateEntry[],
  values: ReadonlyMap<number, bigint | undefined>,
  start: Pick<Known, "revision">,
  rules: Rules,
): Violation[] {
  if (refused.length === 0) return [];
  const revisions = [start.revision, ...writes.map(({ told }) => told.revision)];
  const from = [Number.NEGATIVE_INFINITY];
  for (const { startUs } of writes) from.push(Math.max(from.at(-1)!, startUs));
  const until = new Array<number>(revisions.length).fill(Number.POSITIVE_INFINITY);
  for (let i = writes.length - 1; i >= 0; i--) until[i] = Math.min(until[i + 1]!, writes[i]!.endUs);

  return refused.flatMap((entry) => {
    const told = entry.told as Extract<Told, { refused: string }>;
    const explained = (i: number): boolean => {
      const value = values.get(revisions[i]!);
      if (told.value !== undefined && told.value !== value) return false;
      return outcomeOf(entry.asked, value, rules) === told.refused;
    };
    for (let i = firstAtLeast(until, entry.startUs); i < revisions.length && from[i]! <= entry.endUs; i++) {
      if (explained(i)) return [];
    }
    return [{ kind: "refusal", text: `nothing that ${entry.name} was explains ${describe(entry)}` } as const];
  });
}

/** The index of the first of rising numbers that is at least `bound`. */
function firstAtLeast(rising: readonly number[], bound: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A counter that is never deleted has one uid for ever. */
function checkIdentity(told: readonly StateEntry[], from: Known): Violation[] {
  let uid = from.uid;
  for (const entry of told) {
    if (entry.told.uid === undefined) continue;
    uid ??= entry.told.uid;
    if (entry.told.uid !== uid)
      return [{ kind: "identity", text: `${describe(entry)}: expected uid ${uid}` }];
  }
  return [];
}

/** An entry in words, for a report. */
export function describe({ name, asked, told, startUs, endUs, id }: Entry): string {
  const what =
    "amount" in asked
      ? `${asked.verb} ${asked.amount}`
      : "value" in asked
        ? `${asked.verb} ${asked.value}`
        : "mark" in asked
          ? `${asked.verb} ${asked.mark}`
          : asked.verb;
  const answer =
    "refused" in told
      ? `${told.refused}${told.value === undefined ? "" : ` at ${told.value}`}`
      : "moved" in told
        ? `moved by ${told.moved}`
        : `${told.value} at revision ${told.revision}${told.uid === undefined ? "" : ` of ${told.uid}`}`;
  return `[${name}: ${what} -> ${answer}; ${startUs} to ${endUs} us; ${id}]`;
}
