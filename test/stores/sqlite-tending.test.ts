/** Chores of upkeep: what one of them meets is not in the way of the others. */
import { expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { type Chore, Tending } from "../../src/stores/sqlite/write/tending.ts";

const damage = () => Object.assign(new Error("malformed"), { code: "SQLITE_CORRUPT" });

/** Chores that are done, or throw, each time one is tried; and what became of each transaction. */
function tended(failing: Record<string, () => unknown>) {
  const told: string[] = [];
  const tried: string[] = [];
  const chores = ["a", "b", "c"].map(
    (of): Chore => ({
      of,
      do: () => {
        tried.push(of);
        if (failing[of] !== undefined) throw failing[of]();
        return of === "c";
      },
    }),
  );
  const tending = new Tending((message) => told.push(message));
  const at = (monotonic: number) => {
    tried.length = 0;
    const wrote: boolean[] = [];
    tending.do(chores, monotonic, (work) => wrote.push(work()));
    return { tried: tried.join(""), wrote };
  };
  return { at, told };
}

it("one that meets damage is passed over for ten minutes and told of once, and the others are done anew without it", () => {
  for (const met of [damage, () => new TallyError("STORE_UNAVAILABLE", "a checksum does not fit")]) {
    const { at, told } = tended({ b: met });
    expect(at(0)).toEqual({ tried: "abac", wrote: [true] });
    expect(at(599_999)).toEqual({ tried: "ac", wrote: [true] });
    expect(at(600_000)).toEqual({ tried: "abac", wrote: [true] });
    expect(told).toEqual([expect.stringContaining("The file is damaged in b:")]);
  }
});

it("what is no damage, or is met by no chore, is thrown on", () => {
  const full = Object.assign(new Error("full"), { code: "SQLITE_FULL" });
  const lost = new TallyError("OUTCOME_UNKNOWN", "the file cannot be read any more");
  for (const error of [full, lost]) {
    const { at, told } = tended({ b: () => error });
    expect(() => at(0)).toThrow(error);
    expect(told).toEqual([]);
  }
  const tending = new Tending(() => expect.fail("nothing is to be told"));
  const chore = { of: "a", do: () => true };
  expect(() =>
    tending.do([chore], 0, (work) => {
      work();
      throw damage();
    }),
  ).toThrow("malformed");
});
