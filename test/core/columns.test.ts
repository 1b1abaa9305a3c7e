import { expect, it } from "vitest";
import { newOutcomes, type Outcomes, takeOutcomes } from "../../src/core/columns.ts";

/** Something in every place: of two calls, the first with three operations, the second with one. */
function filled(): Outcomes {
  const outcomes = newOutcomes(4, 2);
  const { values, previous, revisions, times, headroomUp, headroomDown, replayed } = outcomes;
  for (const column of [values, previous, headroomUp, headroomDown]) column.fill(7n);
  for (const column of [revisions, times, replayed]) column.fill(1);
  outcomes.uids.fill("u");
  for (let i = 0; i < 4; i++) {
    outcomes.refusals.set(i, { code: "ABOVE_MAX" });
    outcomes.counters.set(i, { name: `${i}` } as never);
  }
  for (let c = 0; c < 2; c++) outcomes.callRefusals.set(c, { code: "DRAINING" });
  return outcomes;
}

it("all that became of a call is taken over, and nothing of the others", () => {
  const both = newOutcomes(4, 2);
  takeOutcomes(both, filled(), 0, 0, 3);
  takeOutcomes(both, filled(), 1, 3, 4);
  expect(both).toEqual(filled());
  const second = newOutcomes(4, 2);
  takeOutcomes(second, filled(), 1, 3, 4);
  expect([...second.values, ...second.times, ...second.replayed]).toEqual([0n, 0n, 0n, 7n, 0, 1, 0, 1]);
  expect([...second.refusals.keys(), ...second.counters.keys(), ...second.callRefusals.keys()]).toEqual([
    3, 3, 1,
  ]);
});
