import { expect, it } from "vitest";
import { CORRUPT } from "../../src/core/batch.ts";
import { newOutcomes } from "../../src/core/columns.ts";
import { counterDamaged, type Refusal, TallyError } from "../../src/core/errors.ts";
import { POLICIES_DAMAGED } from "../../src/core/following.ts";
import { EMPTY_SUM } from "../../src/core/selection.ts";
import { type DamageMet, watchDamage } from "../../src/service/damage.ts";
import { fronted } from "../../src/service/fronted.ts";
import type { Store } from "../../src/service/store.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { sampleIn } from "../support/exposition.ts";

const ALL = { prefix: "", labels: {} };
const damaged = new TallyError("ROW_CORRUPT", "the entries of counters are damaged", { part: "counters" });

/** A store whose every answer meets damage, or none. */
function told(methods: Partial<Store>): { store: Store; heard: DamageMet[]; met(): number } {
  const heard: DamageMet[] = [];
  const metrics = new Metrics();
  const watch = watchDamage(methods as Store, (each) => heard.push(each), metrics);
  const commit: Store["commit"] = (batch) =>
    methods.commit!(batch).then(
      (outcomes) => {
        watch.commits.refused(outcomes);
        return outcomes;
      },
      (error) => {
        watch.commits.failed(error);
        throw error;
      },
    );
  const store = fronted(watch.store, { commit });
  return { store, heard, met: () => sampleIn(metrics.read(), "tally_damaged_rows_met_total") };
}

const refusing = (how: "refusals" | "callRefusals", ...refused: Refusal[]) => {
  const outcomes = newOutcomes(refused.length, refused.length);
  for (const [i, refusal] of refused.entries()) outcomes[how].set(i, refusal);
  return outcomes;
};

it.each<[string, Partial<Store>, (store: Store) => Promise<unknown>, string[], string[]?]>([
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
    ["counters"],
  ],
  [
    "operations of a batch",
    {
      commit: async () =>
        refusing(
          "refusals",
          counterDamaged("e"),
          { code: "ABOVE_MAX" },
          counterDamaged("f"),
          counterDamaged("e"),
        ),
    },
    (store) => store.commit({} as never),
    ["e", "f"],
  ],
  [
    "calls",
    {
      commit: async () =>
        refusing("callRefusals", { code: "ROW_CORRUPT", part: "request_id" }, POLICIES_DAMAGED),
    },
    (store) => store.commit({} as never),
    [],
    ["request_id", "policies"],
  ],
  [
    "a commit that fails",
    { commit: () => Promise.reject(damaged) },
    (store) => store.commit({} as never),
    [],
    ["counters"],
  ],
])("damage is told of: %s; the answer is as it was", async (_, methods, ask, names, parts = ["counter"]) => {
  const { store, heard, met } = told(methods);
  const [answer, own] = await Promise.allSettled([ask(store), ask(methods as Store)]);
  expect(answer).toEqual(own);
  expect(heard).toEqual([{ names, parts }]);
  expect(met()).toBe(1);
});

it("what is not damaged is not told of, refused or not", async () => {
  const { store, heard } = told({
    commit: async () => refusing("callRefusals", { code: "ABOVE_MAX" }),
    get: async () => [undefined],
    sum: async () => EMPTY_SUM,
  });
  await Promise.all([store.commit({} as never), store.get(["a"]), store.sum(ALL)]);
  expect(heard).toEqual([]);
});
