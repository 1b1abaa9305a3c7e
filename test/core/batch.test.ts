import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import {
  CORRUPT,
  decideBatch,
  type Loaded,
  requestKeys,
  type Save,
  touchedBy,
} from "../../src/core/batch.ts";
import { newOutcomes } from "../../src/core/columns.ts";
import type { Counter } from "../../src/core/counter.ts";
import { toBatch } from "../../src/service/call.ts";
import {
  type Asked,
  answersOf,
  batch,
  create,
  decrement,
  increment,
  set,
  single,
  update,
} from "../support/calls.ts";

const SEED = "01890000-0000-7000-8000-ffffffffffff";

/** Decide on counters given by name, with nothing answered before. */
function decideOn(
  asked: readonly Asked[],
  found: Record<string, Counter | typeof CORRUPT> = {},
  more: Partial<Loaded> = {},
  vetoed = new Map(),
) {
  const columns = toBatch(asked);
  const touched = touchedBy(columns);
  const loaded: Loaded = {
    ...touched,
    ...requestKeys(columns, touched),
    counters: touched.names.map((name) => found[name]),
    fixed: new Map(
      [...touched.whole].flatMap((index) => {
        const counter = found[touched.names[index]!];
        if (counter === undefined || counter === CORRUPT) return [];
        return [[index, { ...counter, labels: {}, description: "", history: true, createTime: 0 }] as const];
      }),
    ),
    answered: new Map(),
    requestIdsFullForMs: undefined,
    ...more,
  };
  const { outcomes, save: saved } = decideBatch(columns, loaded, {
    now: 1_000,
    calendar: undefined,
    uidSeed: SEED,
    vetoed,
  });
  return { answers: answersOf(asked, outcomes), outcomes, save: readable(saved, loaded) };
}

/** What is to be saved, a counter at a time. */
function readable(
  { changed, values, revisions, updateTimes, fixed: settled, deleted, changes, answers }: Save,
  { names, counters }: Loaded,
) {
  const all = Array.from({ length: changes.count }, (_, k) => ({
    index: changes.counters[k]!,
    ...changes.copy(k),
  }));
  return {
    answers,
    deleted: [...deleted].map(([index, keepHistory]) => [names[index]!, keepHistory]),
    counters: changed.map((index) => {
      const fixed = settled.get(index) ?? (counters[index] as Counter);
      const counter = {
        ...fixed,
        value: values[index]!,
        revision: revisions[index]!,
        updateTime: updateTimes[index]!,
      };
      return { name: names[index]!, counter, changes: all.filter((change) => change.index === index) };
    }),
  };
}

const COUNTER: Counter = {
  uid: "u",
  value: 0n,
  initial: 0n,
  min: undefined,
  max: undefined,
  clamp: false,
  monotonic: false,
  window: undefined,
  refill: undefined,
  idleTtlMs: undefined,
  timing: undefined,
  revision: 1,
  updateTime: 0,
  settingsRevision: 1,
};

const ID_DAMAGED = { code: "ROW_CORRUPT", part: "request_id" };

describe("a batch on its rows", () => {
  it("saves each counter once, however often it came up, and nothing for refusals", () => {
    const { save } = decideOn([
      single(increment("a")),
      batch([increment("a"), decrement("none"), increment("a")]),
    ]);
    expect(save.counters.map(({ name, counter }) => [name, counter.value, counter.revision])).toEqual([
      ["a", 3n, 3],
    ]);
    expect(save.counters[0]!.changes).toMatchObject([{ firstRevision: 1, revision: 3, added: 3n }]);
    expect(save.answers.size).toBe(0);
  });

  it("what a refused group did is undone: outcomes, changes, and counters it made", () => {
    const group = [increment("a", 2n), create("made"), set("a", 9n), increment("a"), decrement("none")];
    const { answers, outcomes, save } = decideOn(
      [single(increment("a")), batch(group, { allOrNothing: true, id: "G" }), single(increment("a", 5n))],
      { a: COUNTER },
    );
    expect(answers[1]!.refused).toEqual({ code: "COUNTER_NOT_FOUND", index: 4 });
    expect([...outcomes.revisions]).toEqual([2, 0, 0, 0, 0, 0, 3]);
    expect([...outcomes.values]).toEqual([1n, 0n, 0n, 0n, 0n, 0n, 6n]);
    expect(save.counters).toMatchObject([
      {
        name: "a",
        counter: { value: 6n, revision: 3 },
        changes: [{ firstRevision: 2, revision: 3, added: 6n }],
      },
    ]);
    expect(save.answers.size).toBe(0);
  });

  it("a refused group after another of the same counters leaves what the first did", () => {
    const { save } = decideOn([
      batch([increment("a"), increment("b")], { allOrNothing: true }),
      batch([increment("b"), decrement("none")], { allOrNothing: true }),
    ]);
    expect(save.counters.map(({ name, counter }) => [name, counter.value])).toEqual([
      ["a", 1n],
      ["b", 1n],
    ]);
  });

  it("a refused group takes back what it made of settings, also of a counter that the batch has made", () => {
    const { save } = decideOn([
      single(create("a", { max: 5n })),
      batch([update("a", { max: 9n }), decrement("none")], { allOrNothing: true }),
    ]);
    expect(save.counters).toMatchObject([{ name: "a", counter: { max: 5n, settingsRevision: 1 } }]);
  });

  it("a damaged row is refused and disturbs nobody; so is a damaged record of a request id", () => {
    const { answers, save } = decideOn(
      [
        single(increment("bad")),
        batch([increment("bad"), increment("a")]),
        single(increment("b"), { id: "r" }),
      ],
      { bad: CORRUPT },
      { answered: new Map([["r b ", CORRUPT]]) },
    );
    const bad = { code: "ROW_CORRUPT", part: "counter", name: "bad" };
    expect(answers[0]!.refused).toEqual(bad);
    expect(answers[1]!.results).toMatchObject([bad, { value: 1n }]);
    expect(answers[2]!.refused).toEqual({ code: "ROW_CORRUPT", part: "request_id", name: "b" });
    expect(save.counters.map(({ name }) => name)).toEqual(["a"]);
  });

  it("a record of before that is damaged, or none, may be the call's own: it is refused", () => {
    const ada = { caller: "ada", formerCaller: "" };
    const asked = [single(increment("a"), { id: "r", ...ada }), batch([increment("b")], { id: "B", ...ada })];
    for (const record of [CORRUPT, new Uint8Array(), Uint8Array.of(2)] as const) {
      const answered = new Map([["r a ", record] as const, ["B  ", record] as const]);
      const { answers, save } = decideOn(asked, {}, { answered });
      // The beginning of a batch's record is not one of a single operation.
      const single = record !== CORRUPT && record.length === 1 ? undefined : { ...ID_DAMAGED, name: "a" };
      expect(answers.map(({ refused }) => refused)).toEqual([single, ID_DAMAGED]);
      expect(save.counters.map(({ name }) => name)).toEqual(single === undefined ? ["a"] : []);
    }
  });

  it("a retry that is answered from before keeps no record under its caller", () => {
    const first = decideOn([single(increment("a"), { id: "r" })]).save.answers;
    const retry = single(increment("a"), { id: "r", caller: "ada", formerCaller: "" });
    const { answers, save } = decideOn([retry], {}, { answered: first });
    expect(answers).toMatchObject([{ replayed: true, results: [{ value: 1n }] }]);
    expect([save.answers.size, save.counters]).toEqual([0, []]);
  });

  it("what a caller may, and is called, is not in the record of an answer", () => {
    const records = [{}, { mayCreate: false as const }].map((may) => {
      const ops = [increment("a", 1n, may), set("b", 1n, may), set("a", 4n, may)];
      const names = { a: COUNTER, b: COUNTER };
      const who = { caller: "id", ...(may.mayCreate === false && { callerName: "ada" }) };
      const asked = [batch(ops, { id: "B", ...who }), single(ops[0]!, { id: "r", ...who })];
      return decideOn(asked, names).save.answers;
    });
    expect(records[0]!.size).toBe(2);
    expect(records[0]).toEqual(records[1]);
  });

  it("of a record that is none, nothing is left in the outcomes of its call", () => {
    const asked = [single(create("a"), { id: "r" }), batch([increment("b"), decrement("none")], { id: "B" })];
    const records = [...decideOn(asked).save.answers].map(
      ([key, record]) => [key, record.slice(0, -1)] as const,
    );
    expect(records).toHaveLength(2);
    const { answers, outcomes } = decideOn(asked, {}, { answered: new Map(records) });
    expect(answers.map(({ refused }) => refused)).toEqual([{ ...ID_DAMAGED, name: "a" }, ID_DAMAGED]);
    const { callRefusals, ...rest } = outcomes;
    const { callRefusals: _, ...nothing } = newOutcomes(3, 2);
    expect(rest).toEqual(nothing);
  });

  it("what a refused group had to say is not said of what comes after it", () => {
    const group = [set("a", 9n, { note: "not this" }), decrement("none")];
    const { save } = decideOn([
      batch(group, { allOrNothing: true, caller: "nobody" }),
      single(increment("a")),
      single(increment("b")),
    ]);
    const said = save.counters.flatMap(({ changes }) => changes.map(({ caller, note }) => [caller, note]));
    expect(said).toEqual([
      ["", ""],
      ["", ""],
    ]);
  });

  it.each([
    ["increments", increment, decrement],
    ["decrements", decrement, increment],
  ])("%s whose sum is beyond 64 bits are several changes", (_, there, back) => {
    const far = 2n ** 63n - 1n;
    const ops = [there, back, there, back, there, back].map((by) => by("a", far));
    const found = { a: { ...COUNTER, value: 0n } };
    const { changes } = decideOn([batch(ops)], found).save.counters[0]!;
    expect(changes.map(({ ops, added, removed, value }) => [ops, added, removed, value])).toEqual([
      [4, 2n * far, 2n * far, 0n],
      [2, far, far, 0n],
    ]);
  });

  it("without room for ids, calls that bring a new one are refused, and those without are not", () => {
    const { answers } = decideOn(
      [single(increment("a"), { id: "r" }), single(increment("a")), batch([increment("a")], { id: "B" })],
      {},
      { requestIdsFullForMs: 5 },
    );
    expect(answers.map(({ refused }) => refused)).toEqual([
      { code: "REQUEST_IDS_FULL", retryAfterMs: 5 },
      undefined,
      { code: "REQUEST_IDS_FULL", retryAfterMs: 5 },
    ]);
  });

  it("an operation that the database refused is refused, and those after it are judged without it", () => {
    const refusal = { code: "ABOVE_MAX", max: 1n } as const;
    const { answers, save } = decideOn(
      [single(increment("a")), single(increment("a", 9n)), single(increment("a"))],
      {},
      {},
      new Map([[1, refusal]]),
    );
    expect(answers.map(({ refused }) => refused)).toEqual([undefined, refusal, undefined]);
    expect(save.counters[0]!.counter.value).toBe(2n);
  });

  it("uids are the seed plus the index, also where the seed's last digits carry over", () => {
    const { save } = decideOn([batch([increment("a"), increment("b"), increment("c")])]);
    expect(save.counters.map(({ counter }) => counter.uid.slice(24))).toEqual([
      "ffffffffffff",
      "000000000000",
      "000000000001",
    ]);
  });

  const names = fc.constantFrom("a", "b", "c");
  const ops = fc.array(
    fc.oneof(
      fc.tuple(names, fc.bigInt(1n, 5n)).map(([name, by]) => increment(name, by)),
      fc.tuple(names, fc.bigInt(1n, 5n)).map(([name, by]) => decrement(name, by)),
    ),
    { minLength: 1, maxLength: 12 },
  );

  test.prop([ops, fc.integer({ min: 0, max: 12 })])(
    "how operations are put into calls and commits makes no difference to the values",
    (list, cut) => {
      const bounded: Counter = { ...COUNTER, min: -4n, max: 6n };
      const found = { a: bounded, b: bounded, c: bounded };
      const whole = decideOn([batch(list)], found);
      const left = list.slice(0, cut);
      const right = list.slice(cut);
      const first =
        left.length > 0
          ? decideOn(
              left.map((op) => single(op)),
              found,
            ).save.counters
          : [];
      const between: Record<string, Counter> = {
        ...found,
        ...Object.fromEntries(first.map(({ name, counter }) => [name, counter])),
      };
      const second = right.length > 0 ? decideOn([batch(right)], between).save.counters : [];
      const after = { ...between, ...Object.fromEntries(second.map(({ name, counter }) => [name, counter])) };
      for (const { name, counter } of whole.save.counters) {
        expect(after[name]).toMatchObject({ value: counter.value, revision: counter.revision });
      }
    },
  );

  test.prop([ops])("the same arguments give the same result, and are not changed", (list) => {
    const asked = [
      batch(list, { id: "B" }),
      single(increment("a"), { id: "r" }),
      single(increment("a"), { id: "r" }),
    ];
    const found = { a: Object.freeze({ ...COUNTER }), b: Object.freeze({ ...COUNTER }) };
    expect(decideOn(asked, found)).toEqual(decideOn(asked, found));
  });
});
