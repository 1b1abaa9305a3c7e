/** The CHECKs behind the rule: what a rule with a defect lets through, PostgreSQL refuses. */
import { expect, it } from "vitest";
import { CORRUPT, decideBatch } from "../../../src/core/batch.ts";
import {
  batch,
  commit,
  create,
  decrement,
  increment,
  remove,
  set,
  single,
  update,
} from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { ownSchema } from "./schema.ts";

/** It forgets that counters have bounds. */
const boundless: typeof decideBatch = (batch, loaded, context) => {
  const counters = loaded.counters.map((counter) =>
    counter === undefined || counter === CORRUPT ? counter : { ...counter, min: undefined, max: undefined },
  );
  return decideBatch(batch, { ...loaded, counters }, context);
};

/** It lets an update set any bounds. */
const careless: typeof decideBatch = (batch, loaded, context) => {
  const extras = new Map(
    [...batch.ops.extras].map(([i, { settings, ...rest }]) => {
      return [i, { ...rest, settings: settings && { ...settings, min: undefined, max: undefined } }];
    }),
  );
  const decided = decideBatch({ ...batch, ops: { ...batch.ops, extras } }, loaded, context);
  for (const [i, counter] of decided.outcomes.counters) {
    const { mask, settings } = batch.ops.extras.get(i)!;
    for (const key of ["min", "max"] as const) {
      if (!mask!.includes(key)) continue;
      Object.assign(counter, { [key]: settings![key] });
      Object.assign(decided.save.fixed.get(loaded.counterOf[i]!)!, { [key]: settings![key] });
    }
  }
  return decided;
};

describeWith([POSTGRES], "the constraints behind the rule, on PostgreSQL", () => {
  it("stand by name on the table of counters", async () => {
    const schema = await ownSchema();
    await commit(await schema.open(), single(create("a", { value: 5n, initial: 1n, min: 1n, max: 9n })));
    for (const [value, constraint] of [
      [0, "value_at_least_min"],
      [10, "value_at_most_max"],
    ] as const) {
      await expect(schema.sql("UPDATE @counters SET value = $1", [value])).rejects.toMatchObject({
        code: "23514",
        constraint,
      });
    }
  });

  it("the database refuses what the rule let through, names the bound, and applies the rest of the batch", async () => {
    const schema = await ownSchema();
    const sound = await schema.open();
    await commit(
      sound,
      single(create("full", { value: 9n, max: 10n })),
      single(create("low", { value: 1n, min: 0n })),
    );
    const store = await schema.open({ decide: boundless });
    const answers = await commit(
      store,
      single(increment("a")),
      single(increment("full", 1n)),
      single(increment("full", 5n), { id: "r" }),
      batch([increment("a"), decrement("low", 3n), decrement("low", 1n), increment("a")], { id: "B" }),
      batch([increment("a"), increment("full", 1n)], { allOrNothing: true }),
    );
    expect(answers.map(({ refused }) => refused?.code)).toEqual([
      ...[undefined, undefined, "ABOVE_MAX", undefined, "ABOVE_MAX"],
    ]);
    expect(answers[3]!.results).toMatchObject([
      ...[{ value: 2n }, { code: "BELOW_MIN", value: 1n, min: 0n, requested: 3n }],
      ...[{ value: 0n }, { value: 3n }],
    ]);
    expect(answers[2]!.refused).toEqual({ code: "ABOVE_MAX", value: 10n, max: 10n, requested: 5n });
    expect(answers[4]!.refused).toEqual({
      ...{ code: "ABOVE_MAX", index: 1, value: 10n, max: 10n, requested: 1n },
    });
    const again = await commit(sound, single(increment("full", 5n), { id: "r" }), single(increment("a")));
    expect(again[0]!.refused).toMatchObject({ code: "ABOVE_MAX" });
    expect(again[1]!.results).toMatchObject([{ value: 4n, revision: 4 }]);
    expect(await sound.get(["low"])).toMatchObject([{ value: 0n, revision: 2 }]);
  });

  it("an update of bounds that leaves the value outside is refused, and the rest of the batch applies", async () => {
    const schema = await ownSchema();
    const sound = await schema.open();
    await commit(sound, single(create("a", { value: 9n, labels: { l: "1" } })));
    const store = await schema.open({ decide: careless });
    const answers = await commit(
      store,
      single(create("made", { value: 5n, labels: { l: "2" } })),
      single(update("made", { max: 7n, labels: {} })),
      single(update("a", { max: 8n, labels: {} }), { id: "r" }),
      single(update("a", { min: 9n, labels: { m: "1" } })),
      single(increment("a")),
    );
    expect(answers.map(({ refused }) => refused)).toEqual([
      ...[undefined, undefined],
      { code: "VALUE_OUTSIDE_BOUNDS", field: "value", requested: 9n, max: 8n },
      ...[undefined, undefined],
    ]);
    const [a, made, again] = await commit(
      sound,
      single(increment("a")),
      single(increment("made", 3n)),
      single(update("a", { max: 8n, labels: {} }), { id: "r" }),
    );
    expect(a!.results).toMatchObject([{ value: 11n, revision: 3 }]);
    expect(made!.refused).toMatchObject({ code: "ABOVE_MAX", max: 7n });
    expect(again!.refused).toMatchObject({ code: "VALUE_OUTSIDE_BOUNDS", requested: 11n, min: 9n, max: 8n });
    const { counters } = await sound.list({ prefix: "", labels: { m: "1" } }, "", 10);
    expect(counters).toMatchObject([{ name: "a" }]);
  });

  it("what was made, updated and deleted around it is so, and nothing is left of the search", async () => {
    const schema = await ownSchema();
    const sound = await schema.open();
    await commit(sound, single(create("full", { value: 9n, max: 10n })), single(set("old", 1n)));
    const answers = await commit(
      await schema.open({ decide: boundless }),
      single(create("made", { value: 3n, max: 3n, labels: { l: "1" } })),
      single(increment("full", 5n)),
      single(increment("made")),
      single(remove("old")),
    );
    expect(answers.map(({ refused }) => refused?.code)).toEqual([
      ...[undefined, "ABOVE_MAX", "ABOVE_MAX", undefined],
    ]);
    expect(await schema.sql("SELECT name, value FROM @counters ORDER BY name")).toEqual([
      { name: "full", value: "9" },
      { name: "made", value: "3" },
    ]);
  });
});
