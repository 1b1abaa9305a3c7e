import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import type { FullCounter } from "../../../src/core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import type { Op, Verb } from "../../../src/core/op.ts";
import type { SettingKey } from "../../../src/core/settings.ts";
import type { Store } from "../../../src/service/store.ts";
import { type Asked, commit, type Result } from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import { Etags, opsOf, prefixed, sketches } from "../../support/random-requests.ts";
import type { StoreKind } from "../../support/stores.ts";
import { expectSumsEqualValues } from "./changes.ts";
import { using } from "./using.ts";

/**
 * Goal: a store and a model that knows nothing of `decide` agree on every outcome of any history.
 * Method: random requests on few names and few request ids, some reopening and maintenance between, in a store
 * with a small cache and a small change log; each commit's answers are compared with the model's, then every
 * counter, and at the end the sums of the change log with the values. Counters are updated, deleted and made again;
 * etags are what they are at the time, or the first that was ever seen under the name. The model is written from the comments of the .proto files, one if a sentence. One store serves
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
            const mine = await etags.into(todo.map((asked) => prefixed(asked, prefix)));
            const answers = await commit(opened.store, ...mine);
            for (const [c, asked] of mine.entries()) {
              const { refused, replayed, results } = answers[c]!;
              const got = { refused: refused?.code, replayed, results: results.map(brief) };
              expect(got).toEqual(model.answer(asked));
            }
            await uids.expectNewOnes(opened.store, model, mine);
          }
        }
        live.push(...model.counters.keys());
      }),
      { numRuns: casesOn(kind, 200), verbose: 1 }, // On failure fast-check prints the seed and the smallest history.
    );
    const { deleted } = await expectSumsEqualValues(opened.store, live);
    for (const [uid, kept] of uids.keptHistory) expect(deleted.get(uid) ?? kept, uid).toBe(kept);
  });
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

const request = sketches(fc.constantFrom("a", "b", "c", "d"));
const step = fc.oneof(
  { weight: 200, arbitrary: fc.array(request, { minLength: 1, maxLength: 6 }) },
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

/** Counting as the .proto files tell it, without batches, columns or stores. */
class Model {
  counters = new Map<string, ModelCounter>();
  /** Counters that were deleted. */
  readonly gone: { uid: string | undefined; keepHistory: boolean }[] = [];
  readonly #answered = new Map<string, { payload: string; answer: ModelAnswer }>();

  answer(asked: Asked): ModelAnswer {
    const ops = opsOf(asked);
    const whole = "verbs" in asked.ops;
    const under = (caller: string) => `${asked.requestId} ${caller} ${whole ? "" : ops[0]!.name}`;
    const key = asked.requestId && under(asked.caller);
    const payload = JSON.stringify([asked.allOrNothing, ops.map(meant)], (_, v) =>
      typeof v === "bigint" ? `${v}` : v,
    );
    const known = key === undefined ? undefined : this.#answered.get(key);
    if (known !== undefined) {
      if (known.payload !== payload) return { refused: "REQUEST_ID_REUSED", replayed: false, results: [] };
      return { ...known.answer, replayed: true };
    }
    if (key !== undefined && asked.formerCaller !== undefined) {
      const former = this.#answered.get(under(asked.formerCaller));
      if (former?.payload === payload) return { ...former.answer, replayed: true };
    }
    const before = structuredClone(this.counters);
    const gone = this.gone.length;
    const results = ops.map((o) => this.#one(o));
    const refusal = results.find((result) => typeof result === "string");
    if (refusal !== undefined && (asked.allOrNothing || !whole)) {
      this.counters = before;
      this.gone.length = gone;
      return { refused: refusal as string, replayed: false, results: [] };
    }
    const answer = { refused: undefined, replayed: false, results };
    if (key !== undefined && results.some((result) => typeof result !== "string"))
      this.#answered.set(key, { payload, answer });
    return answer;
  }

  #one({ verb, name, amount, mustExist, mayCreate, settings, mask, etag, keepHistory }: Op): Brief {
    const verbName = (["increment", "decrement", "set", "reset", "create", "update", "delete"] as const)[
      verb as Exclude<Verb, 7 | 8>
    ];
    const found = this.counters.get(name);
    if (verbName === "create") {
      if (found) return "COUNTER_EXISTS";
      const { initial, min = INT64_MIN, max = INT64_MAX } = settings!;
      if (initial < min || initial > max || amount < min || amount > max) return "VALUE_OUTSIDE_BOUNDS";
      this.counters.set(name, { ...FRESH, ...settings!, value: amount, revision: 1, min, max });
      return { value: amount, previous: initial, revision: 1 };
    }
    const counts = verbName === "increment" || verbName === "set";
    const makes = counts && !mustExist && mayCreate !== false && etag === undefined;
    if (!found && !makes) return "COUNTER_NOT_FOUND";
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
    if (etag !== undefined && etag !== `${c.uid}.${c.revision}`) return "ETAG_MISMATCH";
    if (verbName === "delete") {
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

/** What the request says without what is ignored: settings that an update does not name, and what its caller may do. */
function meant({ settings, mask, mayCreate: _, ...op }: Op) {
  return { ...op, mask, settings: mask === undefined ? settings : mask.map((key) => settings![key]) };
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
