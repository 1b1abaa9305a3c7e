import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import type { FullCounter } from "../../src/core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import type { Op, SettingKey, Settings } from "../../src/core/op.ts";
import type { Store } from "../../src/service/store.ts";
import {
  type Asked,
  batch,
  commit,
  create,
  decrement,
  increment,
  type Result,
  remove,
  reset,
  set,
  single,
  update,
} from "../support/calls.ts";
import type { StoreKind } from "../support/stores.ts";
import { expectSumsEqualValues } from "./changes.ts";
import { using } from "./using.ts";

/**
 * Goal: a store and a model that knows nothing of `decide` agree on every outcome of any history.
 * Method: random requests on few names and few request ids, some reopening and maintenance between, in a store
 * with a small cache and a small change log; each commit's answers are compared with the model's, then every
 * counter, and at the end the sums of the change log with the values. Counters are updated, deleted and made again;
 * etags are what they are at the time, or the first that was ever seen under the name. The model is written from API.md, one if a sentence. One store serves
 * all histories, each with names and ids of its own, because opening one takes longer than a history.
 */
export function modelSuite(kind: StoreKind): void {
  const it_ = using(kind, it, { retention: { changeLogBytesMax: 300 }, cachedCountersMax: 2 });

  it_("agrees with the model, and its change log with its values", async (opened) => {
    const durable = opened.store.traits.durability === "fsync";
    let histories = 0;
    const uids = new Uids();
    const live: string[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const prefix = `h${histories++}.`;
        const model = new Model();
        const etags = new Etags(opened);
        for (const todo of steps) {
          if (todo === "maintain") await opened.store.maintain();
          else if (todo === "reopen") {
            if (durable) await opened.reopen();
          } else {
            for (const mine of batchesOf(await etags.into(todo.map((asked) => prefixed(asked, prefix))))) {
              const answers = await commit(opened.store, ...mine);
              for (const [c, asked] of mine.entries()) {
                const { refused, replayed, results } = answers[c]!;
                const got = { refused: refused?.code, replayed, results: results.map(brief) };
                expect(got).toEqual(model.answer(asked));
              }
              await uids.expectNewOnes(opened.store, model, mine);
            }
          }
        }
        live.push(...model.counters.keys());
      }),
      { numRuns: 200, verbose: 1 }, // On failure fast-check prints the seed and the smallest history.
    );
    const { deleted } = await expectSumsEqualValues(opened.store, live);
    for (const [uid, kept] of uids.keptHistory) expect(deleted.get(uid) ?? kept, uid).toBe(kept);
  });
}

/** Put requests into commits as the writer would: what names a counter after its deletion comes in the next. */
function batchesOf(asked: readonly Asked[]): Asked[][] {
  const batches: Asked[][] = [[]];
  let deleted = new Set<string>();
  for (const each of asked) {
    const ops = opsOf(each);
    if (ops.some((op) => deleted.has(op.name))) {
      batches.push([]);
      deleted = new Set();
    }
    batches.at(-1)!.push(each);
    for (const op of ops) if (op.keepHistory !== undefined) deleted.add(op.name);
  }
  return batches;
}

/** Etags as callers come by them: "now" is read right before, "first" was read when the name was first seen. */
class Etags {
  readonly #opened: { readonly store: Store };
  readonly #first = new Map<string, FullCounter>();

  constructor(opened: { readonly store: Store }) {
    this.#opened = opened;
  }

  async into(asked: readonly Asked[]): Promise<Asked[]> {
    const names = asked.map((each) => opsOf(each)[0]!.name);
    const read = await this.#opened.store.get(names);
    return asked.map((each, i) => {
      const found = read[i] as FullCounter | undefined;
      if (found !== undefined && !this.#first.has(names[i]!)) this.#first.set(names[i]!, found);
      const { ops } = each;
      if ("verbs" in ops || ops.etag === undefined) return each;
      const from = ops.etag === "now" ? found : this.#first.get(names[i]!);
      const { uid, revision, settingsRevision } = from ?? { uid: "none", revision: 1, settingsRevision: 1 };
      const etag = ops.mask === undefined ? `${uid}.${revision}` : `${uid}.s${settingsRevision}`;
      return { ...each, ops: { ...ops, etag } };
    });
  }
}

/** Sees that each creation of a name has a uid that no other had. */
class Uids {
  readonly #seen = new Set<string>();
  /** By the uid of a deleted counter. */
  readonly keptHistory = new Map<string, boolean>();

  /** Compare the store's counters with the model's, and tell the model their uids. */
  async expectNewOnes(store: Store, model: Model, asked: readonly Asked[]): Promise<void> {
    for (const { uid, keepHistory } of model.gone.splice(0)) {
      if (uid !== undefined) this.keptHistory.set(uid, keepHistory);
    }
    const names = [...new Set(asked.flatMap((each) => opsOf(each).map(({ name }) => name)))];
    const read = await store.get(names);
    for (const [i, name] of names.entries()) {
      const expected = model.counters.get(name);
      if (expected === undefined) {
        expect(read[i]).toBeUndefined();
        continue;
      }
      const { uid, ...found } = read[i] as FullCounter;
      const { uid: known, min, max, ...rest } = expected;
      expect(found).toMatchObject({ ...rest, name });
      expect([found.min ?? INT64_MIN, found.max ?? INT64_MAX]).toEqual([min, max]);
      if (known !== undefined) expect(uid).toBe(known);
      else {
        expect(this.#seen).not.toContain(uid);
        this.#seen.add(uid);
        expected.uid = uid;
      }
    }
  }
}

const name = fc.constantFrom("a", "b", "c", "d");
const edge = fc.constantFrom(INT64_MAX, INT64_MAX - 1n, INT64_MIN, INT64_MIN + 1n, 2n ** 53n);
const small = fc.bigInt(-6n, 6n);
const value = fc.oneof({ weight: 6, arbitrary: small }, { weight: 1, arbitrary: edge });
const amount = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(1n, 6n) },
  { weight: 1, arbitrary: fc.constantFrom(INT64_MAX, 2n ** 53n) },
);
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined, freq: 2 });

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(name, amount, fc.boolean())
      .map(([n, a, mustExist]) => increment(n, a, { mustExist })),
  },
  { weight: 2, arbitrary: fc.tuple(name, amount).map(([n, a]) => decrement(n, a)) },
  { weight: 1, arbitrary: fc.tuple(name, value).map(([n, v]) => set(n, v)) },
  { weight: 1, arbitrary: name.map((n) => reset(n)) },
);
const creation: fc.Arbitrary<Op> = fc
  .tuple(name, small, optional(small), optional(small), optional(small), fc.boolean(), fc.boolean())
  .filter(([, , , min, max]) => min === undefined || max === undefined || min <= max)
  .map(([n, initial, v, min, max, clamp, monotonic]) =>
    create(n, { initial, min, max, clamp, monotonic, ...(v !== undefined && { value: v }) }),
  );
const maybeEtag = fc.option(fc.constantFrom("now", "first"), { nil: undefined, freq: 1 });
const settings: fc.Arbitrary<Settings> = fc.record({
  initial: small,
  min: optional(small),
  max: optional(small),
  clamp: fc.boolean(),
  monotonic: fc.boolean(),
  labels: fc.constantFrom({}, { team: "a" }, { team: "b", tier: "1" }),
  description: fc.constantFrom("", "text"),
});
const mask = fc.subarray<SettingKey>(
  ["initial", "min", "max", "clamp", "monotonic", "labels", "description"],
  { minLength: 1 },
);
const updating: fc.Arbitrary<Op> = fc
  .tuple(name, settings, mask, maybeEtag)
  .map(([n, to, mask, etag]) => update(n, to, { mask, etag }));
const deletion: fc.Arbitrary<Op> = fc
  .tuple(name, fc.boolean(), maybeEtag)
  .map(([n, keepHistory, etag]) => remove(n, { keepHistory, etag }));
const id = optional(fc.constantFrom("r1", "r2", "r3"));

/** A request before it has names of its own. */
interface Sketch {
  readonly ops: readonly Op[];
  readonly single: boolean;
  readonly id: string | undefined;
  readonly allOrNothing: boolean;
}

const alone = (op: fc.Arbitrary<Op>): fc.Arbitrary<Sketch> =>
  fc.record({ ops: op.map((one) => [one]), single: fc.constant(true), id, allOrNothing: fc.constant(false) });

const asked: fc.Arbitrary<Sketch> = fc.oneof(
  { weight: 4, arbitrary: alone(op) },
  { weight: 2, arbitrary: alone(creation) },
  { weight: 2, arbitrary: alone(updating) },
  { weight: 1, arbitrary: alone(deletion) },
  {
    weight: 2,
    arbitrary: fc.record({
      ops: fc.array(op, { minLength: 1, maxLength: 6 }),
      single: fc.constant(false),
      id,
      allOrNothing: fc.boolean(),
    }),
  },
);

function prefixed({ ops, single: alone, id, allOrNothing }: Sketch, prefix: string): Asked {
  const mine = ops.map((op) => ({ ...op, name: prefix + op.name }));
  const options = { id: id === undefined ? undefined : prefix + id };
  return alone ? single(mine[0]!, options) : batch(mine, { ...options, allOrNothing });
}

const step = fc.oneof(
  { weight: 200, arbitrary: fc.array(asked, { minLength: 1, maxLength: 6 }) },
  { weight: 30, arbitrary: fc.constant("maintain" as const) },
  { weight: 1, arbitrary: fc.constant("reopen" as const) },
);

type Brief = string | { value: bigint; previous: bigint; revision: number; settings?: object };
interface ModelAnswer {
  refused: string | undefined;
  replayed: boolean;
  results: Brief[];
}
interface ModelCounter {
  /** Told by the store after the commit that made it; nobody can have an etag of it before. */
  uid: string | undefined;
  value: bigint;
  revision: number;
  settingsRevision: number;
  initial: bigint;
  min: bigint;
  max: bigint;
  clamp: boolean;
  monotonic: boolean;
  labels: object;
  description: string;
}

const FRESH: ModelCounter = {
  uid: undefined,
  value: 0n,
  revision: 0,
  settingsRevision: 1,
  initial: 0n,
  min: INT64_MIN,
  max: INT64_MAX,
  clamp: false,
  monotonic: false,
  labels: {},
  description: "",
};

/** Counting as API.md tells it, without batches, columns or stores. */
class Model {
  counters = new Map<string, ModelCounter>();
  /** Counters that were deleted. */
  readonly gone: { uid: string | undefined; keepHistory: boolean }[] = [];
  readonly #answered = new Map<string, { payload: string; answer: ModelAnswer }>();

  answer(asked: Asked): ModelAnswer {
    const ops = opsOf(asked);
    const whole = "verbs" in asked.ops;
    const key = asked.requestId && `${asked.requestId} ${whole ? "" : ops[0]!.name}`;
    const payload = JSON.stringify([asked.allOrNothing, ops], (_, v) => (typeof v === "bigint" ? `${v}` : v));
    const known = key === undefined ? undefined : this.#answered.get(key);
    if (known !== undefined) {
      if (known.payload !== payload) return { refused: "REQUEST_ID_REUSED", replayed: false, results: [] };
      return { ...known.answer, replayed: true };
    }
    const before = structuredClone(this.counters);
    const results = ops.map((o) => this.#one(o));
    const refusal = results.find((result) => typeof result === "string");
    if (refusal !== undefined && (asked.allOrNothing || !whole)) {
      this.counters = before;
      return { refused: refusal as string, replayed: false, results: [] };
    }
    const answer = { refused: undefined, replayed: false, results };
    if (key !== undefined && results.some((result) => typeof result !== "string"))
      this.#answered.set(key, { payload, answer });
    return answer;
  }

  #one({ verb, name, amount, mustExist, settings, mask, etag, keepHistory }: Op): Brief {
    const verbName = (["increment", "decrement", "set", "reset", "create", "update", "delete"] as const)[
      verb
    ];
    const found = this.counters.get(name);
    if (verbName === "create") {
      if (found) return "COUNTER_EXISTS";
      const { initial, min = INT64_MIN, max = INT64_MAX } = settings!;
      if (initial < min || initial > max || amount < min || amount > max) return "VALUE_OUTSIDE_BOUNDS";
      this.counters.set(name, { ...FRESH, ...settings!, value: amount, revision: 1, min, max });
      return { value: amount, previous: initial, revision: 1 };
    }
    if (!found && (mustExist || (verbName !== "increment" && verbName !== "set"))) return "COUNTER_NOT_FOUND";
    const c = found ?? FRESH;
    if (verbName === "update") {
      if (etag !== undefined && etag !== `${c.uid}.s${c.settingsRevision}`) return "ETAG_MISMATCH";
      const all = { ...settings!, min: settings!.min ?? INT64_MIN, max: settings!.max ?? INT64_MAX };
      const next = { ...c, settingsRevision: c.settingsRevision + 1 };
      for (const key of mask!) Object.assign(next, { [key]: all[key] });
      for (const each of [next.value, next.initial]) {
        if (each < next.min || each > next.max) return "VALUE_OUTSIDE_BOUNDS";
      }
      this.counters.set(name, next);
      const { value, revision } = next;
      return { value, previous: value, revision, settings: settingsIn(next) };
    }
    if (verbName === "delete") {
      if (etag !== undefined && etag !== `${c.uid}.${c.revision}`) return "ETAG_MISMATCH";
      this.counters.delete(name);
      this.gone.push({ uid: c.uid, keepHistory: keepHistory! });
      return { value: c.value, previous: c.value, revision: c.revision };
    }
    if (verbName === "decrement" && c.monotonic) return "MONOTONIC";
    let next = { increment: c.value + amount, decrement: c.value - amount, set: amount, reset: c.initial }[
      verbName
    ];
    if (c.monotonic && next < c.value) return "MONOTONIC";
    if (verbName === "set" || verbName === "reset") {
      if (next < c.min || next > c.max) return "VALUE_OUTSIDE_BOUNDS";
    } else if (c.clamp) {
      if (next > c.max) next = c.max;
      if (next < c.min) next = c.min;
    } else if (next > c.max) return "ABOVE_MAX";
    else if (next < c.min) return "BELOW_MIN";
    this.counters.set(name, { ...c, value: next, revision: c.revision + 1 });
    return { value: next, previous: c.value, revision: c.revision + 1 };
  }
}

function brief(result: Result): Brief {
  if ("code" in result) return result.code;
  const { counter, ...rest } = result;
  return counter === undefined ? rest : { ...rest, settings: settingsIn(counter) };
}

/** What an update answers of settings. */
function settingsIn({
  initial,
  min,
  max,
  clamp,
  monotonic,
  labels,
  description,
  settingsRevision,
}: AnySettings) {
  const bounds = { min: min ?? INT64_MIN, max: max ?? INT64_MAX };
  return { initial, ...bounds, clamp, monotonic, labels, description, settingsRevision };
}

type AnySettings = Pick<FullCounter, SettingKey | "settingsRevision"> | ModelCounter;

function opsOf({ ops }: Asked): Op[] {
  return "verbs" in ops ? readable(ops) : [ops];
}

function readable(columns: Exclude<Asked["ops"], Op>): Op[] {
  const bytes = Buffer.from(columns.names);
  return Array.from({ length: columns.count }, (_, i) => ({
    verb: columns.verbs[i] as Op["verb"],
    name: bytes.toString("latin1", i === 0 ? 0 : columns.nameEnds[i - 1], columns.nameEnds[i]),
    amount: columns.amounts[i]!,
    mustExist: columns.mustExist[i] === 1,
  }));
}
