/** Requests as fast-check draws them: of every kind, on few names and under few request ids, so that they meet. */
import { fc } from "@fast-check/vitest";
import type { FullCounter } from "../../src/core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import type { Op } from "../../src/core/op.ts";
import { DEFAULTS, type SettingKey, type Settings } from "../../src/core/settings.ts";
import type { Store } from "../../src/service/store.ts";
import {
  type Asked,
  batch,
  create,
  decrement,
  increment,
  remove,
  reset,
  set,
  single,
  update,
} from "./calls.ts";

/** A request before it has names and an id of its own (`prefixed`), and etags that somebody read (`Etags`). */
export interface Sketch {
  readonly caller: string;
  readonly formerCaller?: string | undefined;
  readonly ops: readonly Op[];
  readonly single: boolean;
  readonly id: string | undefined;
  readonly allOrNothing: boolean;
}

/** Requests on some names. @param timed  whether counters may have windows, refills and idle TTLs */
export function sketches(name: fc.Arbitrary<string>, timed = false): fc.Arbitrary<Sketch> {
  const to = timed ? inTime : settings;
  const named = timed ? maskInTime : mask;
  const counting: fc.Arbitrary<Op> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(name, amount, fc.boolean(), mayCreate)
        .map(([n, a, mustExist, may]) => increment(n, a, { mustExist, ...may })),
    },
    { weight: 2, arbitrary: fc.tuple(name, amount).map(([n, a]) => decrement(n, a)) },
    { weight: 1, arbitrary: fc.tuple(name, value, mayCreate).map(([n, v, may]) => set(n, v, may)) },
    { weight: 1, arbitrary: name.map((n) => reset(n)) },
  );
  const compared: fc.Arbitrary<Op> = fc
    .tuple(name, value, fc.boolean(), maybeEtag, maybeNote)
    .map(([n, v, resets, etag, note]) =>
      resets ? reset(n, { ...etag, ...note }) : set(n, v, { ...etag, ...note }),
    );
  const creation: fc.Arbitrary<Op> = fc
    .tuple(name, to, optional(small))
    .map(([n, to, v]) => create(n, { ...to, ...(v !== undefined && { value: v }) }));
  const updating: fc.Arbitrary<Op> = fc
    .tuple(name, to, named, maybeEtag, maybeNote)
    .map(([n, to, mask, etag, note]) => update(n, to, { mask, ...etag, ...note }));
  const deletion: fc.Arbitrary<Op> = fc
    .tuple(name, fc.boolean(), maybeEtag, maybeNote)
    .map(([n, keepHistory, etag, note]) => remove(n, { keepHistory, ...etag, ...note }));

  const alone = (op: fc.Arbitrary<Op>) =>
    fc.record({
      ...{ caller, formerCaller, id, ops: op.map((one) => [one]) },
      ...{ single: fc.constant(true), allOrNothing: fc.constant(false) },
    });
  // Under one id, deletions within a batch are the same, whatever they say of the history.
  const ending = name.map((n) => remove(n, { keepHistory: true }));
  const some = fc.oneof({ weight: 9, arbitrary: counting }, { weight: 1, arbitrary: ending });
  const together = fc.record({
    ...{ caller, formerCaller, id, ops: fc.array(some, { minLength: 1, maxLength: 6 }) },
    ...{ single: fc.constant(false), allOrNothing: fc.boolean() },
  });
  return fc.oneof(
    { weight: 4, arbitrary: alone(counting) },
    { weight: 1, arbitrary: alone(compared) },
    { weight: 2, arbitrary: alone(creation) },
    { weight: 2, arbitrary: alone(updating) },
    { weight: 1, arbitrary: alone(deletion) },
    { weight: 2, arbitrary: together },
  );
}

const BERLIN_DAYS = { unit: "day", timeZone: "Europe/Berlin", day: 1 } as const;
const edge = fc.constantFrom(INT64_MAX, INT64_MAX - 1n, INT64_MIN, INT64_MIN + 1n, 2n ** 53n);
const small = fc.bigInt(-6n, 6n);
const value = fc.oneof({ weight: 6, arbitrary: small }, { weight: 1, arbitrary: edge });
const amount = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(1n, 6n) },
  { weight: 1, arbitrary: fc.constantFrom(INT64_MAX, 2n ** 53n) },
);
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined, freq: 2 });
const caller = fc.constantFrom("", "", "someone");
/** Of who has come to say who they are, and may have asked before. */
const formerCaller = fc.constantFrom(undefined, "");
const id = optional(fc.constantFrom("r1", "r2", "r3"));
/** Whether the caller may make counters; of a retry, it may be another than before. */
const mayCreate: fc.Arbitrary<Pick<Op, "mayCreate">> = fc.constantFrom({}, {}, {}, { mayCreate: false });
const maybeEtag = fc.option(fc.record({ etag: fc.constantFrom("now", "first") }), { nil: {}, freq: 1 });
const maybeNote = fc.option(fc.record({ note: fc.constant("why: \u{1F600}\0") }), { nil: {}, freq: 1 });
const settings: fc.Arbitrary<Settings> = fc
  .record({
    initial: small,
    min: optional(small),
    max: optional(small),
    clamp: fc.boolean(),
    monotonic: fc.boolean(),
    labels: fc.constantFrom({}, { team: "a" }, { team: "b", tier: "1" }, { team: 'é"\u{1F600}\\\0' }),
    description: fc.constantFrom("", "text", "\0'\\\"{}"),
  })
  .filter(({ min, max }) => min === undefined || max === undefined || min <= max)
  .map((settings) => ({ ...DEFAULTS, ...settings }));
/** What goes together, and sometimes what does not. */
const inTime: fc.Arbitrary<Settings> = fc
  .tuple(
    settings,
    fc.constantFrom(undefined, undefined, { everyMs: 60_000, anchorMs: 7 }, BERLIN_DAYS),
    fc.constantFrom(undefined, undefined, { amount: 1n, everyMs: 7_000 }, { amount: 2n, everyMs: 3_600_000 }),
    fc.constantFrom(undefined, undefined, 5_000n, 7_200_000n),
  )
  .map(([settings, window, refill, idleTtlMs]) => {
    const refills = refill !== undefined && {
      refill,
      window: undefined,
      monotonic: false,
      min: -6n,
      max: 6n,
    };
    return { ...settings, window, idleTtlMs, ...refills };
  });
/** Of a policy. Without bounds: when a counter that is beyond one is looked at again is each store's own. */
export const policySettings = inTime.map(
  (settings): Settings => ({ ...settings, min: undefined, max: undefined, refill: undefined }),
);
const KEYS = ["initial", "min", "max", "clamp", "monotonic", "labels", "description"] as const;
const mask = fc.subarray<SettingKey>([...KEYS], { minLength: 1 });
const maskInTime = fc.subarray<SettingKey>([...KEYS, "window", "refill", "idleTtlMs"], { minLength: 1 });

/** The same, on names and under an id that begin with this. */
export function prefixed(
  { caller, formerCaller, ops, single: alone, id, allOrNothing }: Sketch,
  prefix: string,
): Asked {
  const mine = ops.map((op) => ({ ...op, name: prefix + op.name }));
  const options = { caller, formerCaller, id: id === undefined ? undefined : prefix + id };
  return alone ? single(mine[0]!, options) : batch(mine, { ...options, allOrNothing });
}

/** Etags as callers come by them: "now" is read right before, "first" was read when the name was first seen. */
export class Etags {
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

/** The operations of a request. */
export function opsOf({ ops }: Asked): Op[] {
  return "verbs" in ops ? readable(ops) : [ops];
}

function readable(columns: Exclude<Asked["ops"], Op>): Op[] {
  const bytes = Buffer.from(columns.names);
  return Array.from({ length: columns.count }, (_, i) => ({
    verb: columns.verbs[i] as Op["verb"],
    name: bytes.toString("latin1", i === 0 ? 0 : columns.nameEnds[i - 1], columns.nameEnds[i]),
    amount: columns.amounts[i]!,
    mustExist: columns.mustExist[i] === 1,
    ...(columns.mayNotCreate?.[i] === 1 && { mayCreate: false as const }),
    ...columns.extras.get(i),
  }));
}
