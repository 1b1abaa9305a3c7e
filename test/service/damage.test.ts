import { expect, it } from "vitest";
import { CORRUPT } from "../../src/core/batch.ts";
import { newOutcomes } from "../../src/core/columns.ts";
import { TallyError } from "../../src/core/errors.ts";
import { EMPTY_SUM } from "../../src/core/selection.ts";
import { tellingOfDamage } from "../../src/service/damage.ts";
import type { Store } from "../../src/service/store.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { sampleIn } from "../support/exposition.ts";

const ALL = { prefix: "", labels: {} };
const damaged = new TallyError("ROW_CORRUPT", "the entries of counters are damaged");

/** A store whose every answer meets damage, or none. */
function told(methods: Partial<Store>): { store: Store; names: (readonly string[])[]; met(): number } {
  const names: (readonly string[])[] = [];
  const metrics = new Metrics();
  const store = tellingOfDamage(methods as Store, (each) => names.push(each), metrics);
  return { store, names, met: () => sampleIn(metrics.read(), "tally_damaged_rows_met_total") };
}

const refusing = (how: "refusals" | "callRefusals", code: "ROW_CORRUPT" | "ABOVE_MAX") => {
  const outcomes = newOutcomes(1, 1);
  outcomes[how].set(0, { code });
  return outcomes;
};

it.each<[string, Partial<Store>, (store: Store) => Promise<unknown>, string[]]>([
  [
    "a counter that is read",
    { get: async () => [undefined, CORRUPT] },
    (store) => store.get(["a", "b"]),
    ["b"],
  ],
  [
    "one of a list",
    { list: async () => ({ counters: [], corruptNames: ["c"], next: undefined }) },
    (store) => store.list(ALL, "", 9),
    ["c"],
  ],
  ["a sum", { sum: async () => ({ ...EMPTY_SUM, corruptNames: ["d"] }) }, (store) => store.sum(ALL), ["d"]],
  [
    "what nobody can name",
    { top: () => Promise.reject(damaged) },
    (store) => store.top(ALL, 1, "highest"),
    [],
  ],
  [
    "an operation of a batch",
    { commit: async () => refusing("refusals", "ROW_CORRUPT") },
    (store) => store.commit({} as never),
    [],
  ],
  [
    "a call",
    { commit: async () => refusing("callRefusals", "ROW_CORRUPT") },
    (store) => store.commit({} as never),
    [],
  ],
])("damage is told of: %s; the answer is as it was", async (_, methods, ask, names) => {
  const { store, names: heard, met } = told(methods);
  const [answer, own] = await Promise.allSettled([ask(store), ask(methods as Store)]);
  expect(answer).toEqual(own);
  expect(heard).toEqual([names]);
  expect(met()).toBe(1);
});

it("what is not damaged is not told of, refused or not", async () => {
  const { store, names } = told({
    commit: async () => refusing("callRefusals", "ABOVE_MAX"),
    get: async () => [undefined],
    sum: async () => EMPTY_SUM,
  });
  await Promise.all([store.commit({} as never), store.get(["a"]), store.sum(ALL)]);
  expect(names).toEqual([]);
});
