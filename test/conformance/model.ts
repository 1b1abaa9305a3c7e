import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import type { Op } from "../../src/core/op.ts";
import {
  type Asked,
  batch,
  commit,
  create,
  decrement,
  increment,
  reset,
  set,
  single,
} from "../support/calls.ts";
import type { StoreKind } from "../support/stores.ts";
import { expectSumsEqualValues } from "./changes.ts";
import { using } from "./using.ts";

/**
 * Goal: a store and a model that knows nothing of `decide` agree on every outcome of any history.
 * Method: random requests on few names and few request ids, some reopening and maintenance between, in a store
 * with a small cache and a small change log; each commit's answers are compared with the model's, and at the end
 * the sums of the change log with the values. The model is written from API.md, one if a sentence. One store serves
 * all histories, each with names and ids of its own, because opening one takes longer than a history.
 */
export function modelSuite(kind: StoreKind): void {
  const it_ = using(kind, it, { retention: { changeLogBytesMax: 300 }, cachedCountersMax: 2 });

  it_("agrees with the model, and its change log with its values", async (opened) => {
    const durable = opened.store.traits.durability === "fsync";
    let histories = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const prefix = `h${histories++}.`;
        const model = new Model();
        for (const todo of steps) {
          if (todo === "maintain") await opened.store.maintain();
          else if (todo === "reopen") {
            if (durable) await opened.reopen();
          } else {
            const mine = todo.map((asked) => prefixed(asked, prefix));
            const answers = await commit(opened.store, ...mine);
            for (const [c, asked] of mine.entries()) {
              const { refused, replayed, results } = answers[c]!;
              const got = { refused: refused?.code, replayed, results: results.map(brief) };
              expect(got).toEqual(model.answer(asked));
            }
          }
        }
        for (const [name, { value, revision }] of model.counters) {
          expect((await opened.store.get([name]))[0]).toMatchObject({ value, revision });
        }
      }),
      { numRuns: 200, verbose: 1 }, // On failure fast-check prints the seed and the smallest history.
    );
    await expectSumsEqualValues(opened.store);
  });
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

type Brief = string | { value: bigint; previous: bigint; revision: number };
interface ModelAnswer {
  refused: string | undefined;
  replayed: boolean;
  results: Brief[];
}
interface ModelCounter {
  value: bigint;
  revision: number;
  initial: bigint;
  min: bigint;
  max: bigint;
  clamp: boolean;
  monotonic: boolean;
}

/** Counting as API.md tells it, without batches, columns or stores. */
class Model {
  counters = new Map<string, ModelCounter>();
  readonly #answered = new Map<string, { payload: string; answer: ModelAnswer }>();

  answer(asked: Asked): ModelAnswer {
    const ops = "verbs" in asked.ops ? readable(asked.ops) : [asked.ops];
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

  #one({ verb, name, amount, mustExist, settings }: Op): Brief {
    const verbName = (["increment", "decrement", "set", "reset", "create"] as const)[verb];
    const found = this.counters.get(name);
    if (verbName === "create") {
      if (found) return "COUNTER_EXISTS";
      const { initial, min = INT64_MIN, max = INT64_MAX, clamp, monotonic } = settings!;
      if (initial < min || initial > max || amount < min || amount > max) return "VALUE_OUTSIDE_BOUNDS";
      this.counters.set(name, { value: amount, revision: 1, initial, min, max, clamp, monotonic });
      return { value: amount, previous: initial, revision: 1 };
    }
    if (!found && (mustExist || verbName === "decrement" || verbName === "reset")) return "COUNTER_NOT_FOUND";
    const c = found ?? {
      value: 0n,
      revision: 0,
      initial: 0n,
      min: INT64_MIN,
      max: INT64_MAX,
      clamp: false,
      monotonic: false,
    };
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

function brief(result: object): Brief {
  return "code" in result
    ? (result.code as string)
    : (result as { value: bigint; previous: bigint; revision: number });
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
