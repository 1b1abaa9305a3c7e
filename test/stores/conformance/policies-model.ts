import { fc } from "@fast-check/vitest";
import { expect } from "vitest";
import type { FullCounter } from "../../../src/core/counter.ts";
import { type Op, Verb } from "../../../src/core/op.ts";
import { DEFAULTS } from "../../../src/core/settings.ts";
import { Policies } from "../../../src/service/policies.ts";
import { batch, commit, create, decrement, increment, remove, set, update } from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import type { StoreKind } from "../../support/stores.ts";
import { expectLogLeadsTo, type It, MINUTE, tidy } from "./time-log.ts";

/**
 * Goal: whatever is done with policies and counters, a store does as a model that is written from the contract, one if a
 * sentence: what meets a counter settles it first, and again where it moved the value; what is refused settles nothing, and a
 * sweep settles all.
 * Method: random policies on few prefixes, random operations on few names below them, groups among them, sweeps between;
 * each answer is compared, and every counter after each step. One store serves all histories.
 */
export function policiesModel(kind: StoreKind, it_: It): void {
  it_("agrees with a model of policies, and its change log with its values", async (opened) => {
    const { store } = opened;
    const policies = new Policies(store.catalogue!);
    let histories = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const at = `h${histories++}.`;
        const model = new Model();
        for (const todo of steps) {
          if (todo === "sweep") {
            await opened.pass(MINUTE);
            await tidy(store);
            model.sweep();
          } else if ("prefix" in todo) {
            const { prefix, bounds } = todo;
            if (bounds === undefined) await policies.remove(at + prefix);
            else await policies.set(at + prefix, { ...DEFAULTS, ...bounds }, "enforce");
            model.setPolicy(prefix, bounds);
          } else {
            const ops = todo.ops.map((op) => ({ ...op, name: at + op.name }));
            const [answer] = await commit(store, batch(ops, todo));
            expect(answer!.refused?.code ?? answer!.results.map(brief)).toEqual(model.apply(todo));
          }
          const found = (await store.get(NAMES.map((name) => at + name))) as (FullCounter | undefined)[];
          expect(found.map((counter) => counter && shown(counter, at))).toEqual(
            NAMES.map((name) => model.row(name)),
          );
        }
        for (const prefix of PREFIXES) await policies.remove(at + prefix);
      }),
      { numRuns: casesOn(kind, 150), verbose: 1 },
    );
    await expectLogLeadsTo(store);
  });
}

const NAMES = ["a", "a.x", "a.b.y"];
const PREFIXES = ["", "a.", "a.b."];
const name = fc.constantFrom(...NAMES);
const amount = fc.bigInt(1n, 12n);
const bounds = fc.record({
  min: fc.option(fc.bigInt(-20n, 0n), { nil: undefined }),
  max: fc.option(fc.bigInt(0n, 20n), { nil: undefined }),
  clamp: fc.boolean(),
});
const follow = { follow: true } as const;
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(name, amount).map(([of, n]) => increment(of, n)) },
  { weight: 4, arbitrary: fc.tuple(name, amount).map(([of, n]) => decrement(of, n)) },
  { weight: 2, arbitrary: fc.tuple(name, fc.bigInt(-25n, 25n)).map(([of, n]) => set(of, n)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(name, bounds)
      .map(([of, to]) => ({ ...increment(of), settings: { ...DEFAULTS, ...to } })),
  },
  { weight: 1, arbitrary: name.map((of) => create(of)) },
  { weight: 1, arbitrary: name.map((of) => remove(of, { keepHistory: true })) },
  { weight: 2, arbitrary: fc.tuple(name, bounds).map(([of, to]) => update(of, to)) },
  { weight: 4, arbitrary: name.map((of) => ({ ...update(of, {}), ...follow })) },
  { weight: 1, arbitrary: name.map((of) => update(of, { description: "d" })) },
);
const step = fc.oneof(
  { weight: 1, arbitrary: fc.constant("sweep" as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      prefix: fc.constantFrom(...PREFIXES),
      bounds: fc.option(bounds, { nil: undefined, freq: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ ops: fc.array(op, { minLength: 1, maxLength: 4 }), allOrNothing: fc.boolean() }),
  },
);

interface Bounds {
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
  readonly clamp: boolean;
}

interface ModelCounter extends Bounds {
  readonly value: bigint;
  readonly revision: number;
  readonly settingsRevision: number;
  /** The prefix of the policy that it follows. */
  readonly follows: string | undefined;
  /** What is to be its own once it is settled, for it came to have no policy: what the last one said, and its prefix. */
  readonly left?: (Bounds & { readonly of: string }) | undefined;
}

const OWN: Bounds = { min: undefined, max: undefined, clamp: false };

class Model {
  #counters = new Map<string, ModelCounter>();
  readonly #policies = new Map<string, Bounds>();

  setPolicy(prefix: string, to: Bounds | undefined): void {
    const before = this.#policies.get(prefix);
    if (to !== undefined) this.#policies.set(prefix, to);
    if (to !== undefined || before === undefined) return;
    this.#policies.delete(prefix);
    for (const [of, counter] of this.#counters) {
      const { follows, value, left } = counter;
      if (follows === undefined || !of.startsWith(prefix) || this.#policyOf(of) !== undefined) continue;
      if (left === undefined || !fits(value, left))
        this.#counters.set(of, { ...counter, left: { ...before, of: prefix } });
    }
  }

  sweep(): void {
    for (const [of, counter] of this.#counters) this.#counters.set(of, this.#settled(of, counter));
  }

  apply({ ops, allOrNothing }: { ops: readonly Op[]; allOrNothing: boolean }): unknown {
    const before = new Map(this.#counters);
    const results: unknown[] = [];
    for (const each of ops) {
      const result = this.#one(each);
      results.push(result);
      if (typeof result !== "string" || !allOrNothing) continue;
      this.#counters = before;
      return result;
    }
    return results;
  }

  row(of: string): ModelCounter | undefined {
    const counter = this.#counters.get(of);
    return counter && { ...counter, left: undefined };
  }

  #policyOf(of: string): [string, Bounds] | undefined {
    const held = [...this.#policies].filter(([prefix]) => of.startsWith(prefix));
    return held.sort(([a], [b]) => b.length - a.length)[0];
  }

  #settled(of: string, counter: ModelCounter): ModelCounter {
    if (counter.follows === undefined) return counter;
    const { value, left } = counter;
    const policy = left !== undefined && fits(value, left) ? undefined : this.#policyOf(of);
    const [follows, to] = policy ?? [left!.of, left!];
    const max = to.max !== undefined && value > to.max ? value : to.max;
    const min = to.min !== undefined && value < to.min ? value : to.min;
    const same = max === counter.max && min === counter.min && to.clamp === counter.clamp;
    const settingsRevision = counter.settingsRevision + (same ? 0 : 1);
    const handedOn = policy === undefined && fits(value, to);
    return {
      ...counter,
      min,
      max,
      clamp: to.clamp,
      follows: handedOn ? undefined : follows,
      left: handedOn || policy !== undefined ? undefined : left,
      settingsRevision,
    };
  }

  #one(asked: Op): bigint | string {
    const { verb, name: of, amount: n, settings } = asked;
    const found = this.#counters.get(of);
    if (verb === Verb.CREATE) {
      if (found !== undefined) return "COUNTER_EXISTS";
      return this.#put(of, { ...OWN, value: 0n, revision: 1, settingsRevision: 1, follows: undefined });
    }
    if (verb === Verb.UPDATE || verb === Verb.DELETE) {
      if (found === undefined) return "COUNTER_NOT_FOUND";
      if (verb === Verb.UPDATE) return this.#update(of, this.#settled(of, found), asked);
      this.#counters.delete(of);
      return found.value;
    }
    if (found === undefined && verb === Verb.DECREMENT) return "COUNTER_NOT_FOUND";
    const [prefix, policy] = this.#policyOf(of) ?? [undefined, OWN];
    const made =
      settings === undefined ? { ...policy, follows: prefix } : { ...boundsOf(settings), follows: undefined };
    const counter =
      found === undefined
        ? { ...made, value: 0n, revision: 0, settingsRevision: 1 }
        : this.#settled(of, found);
    const { value, min, max, clamp } = counter;
    const to = verb === Verb.INCREMENT ? value + n : verb === Verb.DECREMENT ? value - n : n;
    const [above, below] = [max !== undefined && to > max, min !== undefined && to < min];
    if (verb === Verb.SET && (above || below)) return "VALUE_OUTSIDE_BOUNDS";
    if ((above || below) && !clamp) return above ? "ABOVE_MAX" : "BELOW_MIN";
    const moved = { ...counter, value: above ? max! : below ? min! : to, revision: counter.revision + 1 };
    return this.#put(of, this.#settled(of, moved));
  }

  #update(of: string, found: ModelCounter, { settings, mask, follow }: Op): bigint | string {
    const own = mask!.includes("max") ? boundsOf(settings!) : undefined;
    const { value, settingsRevision } = found;
    if (own !== undefined) {
      const { min = value, max = value } = own;
      if (value < min || value > max || 0n < (own.min ?? 0n) || 0n > (own.max ?? 0n))
        return "VALUE_OUTSIDE_BOUNDS";
      const changed = { ...found, ...own, settingsRevision: settingsRevision + 1 };
      return this.#put(of, { ...changed, follows: undefined, left: undefined });
    }
    const changed = { ...found, settingsRevision: settingsRevision + 1 };
    if (!follow) return this.#put(of, changed);
    const policy = this.#policyOf(of);
    if (policy === undefined) return "POLICY_NOT_FOUND";
    const settled = this.#settled(of, { ...changed, follows: policy[0], left: undefined });
    return this.#put(of, { ...settled, settingsRevision: changed.settingsRevision });
  }

  #put(of: string, counter: ModelCounter): bigint {
    this.#counters.set(of, counter);
    return counter.value;
  }
}

function fits(value: bigint, { min = value, max = value }: Bounds): boolean {
  return value >= min && value <= max;
}

function boundsOf({ min, max, clamp }: Bounds): Bounds {
  return { min, max, clamp };
}

function brief(result: { value: bigint } | { code: string }): bigint | string {
  return "code" in result ? result.code : result.value;
}

function shown(counter: FullCounter, at: string): ModelCounter {
  const { value, min, max, clamp, revision, settingsRevision, policy } = counter;
  return { value, min, max, clamp, revision, settingsRevision, follows: policy?.prefix.slice(at.length) };
}
