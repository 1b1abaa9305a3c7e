import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { toColumns } from "../../src/core/columns.ts";
import { Verb } from "../../src/core/op.ts";
import { Prefixes } from "../../src/core/prefixes.ts";

/** Few characters, so that many begin alike, are inside one another, or differ in their last one. */
const text = (minLength: number) =>
  fc.array(fc.constantFrom("a", "b", "."), { minLength, maxLength: 5 }).map((each) => each.join(""));

test.prop([fc.array(text(0), { maxLength: 8 }), fc.array(text(1), { minLength: 1, maxLength: 12 })], {
  numRuns: 3_000,
})(
  "a run is of names that begin with one prefix, and no name is in one that begins with none",
  (prefixes, names) => {
    const ops = toColumns(
      names.map((name) => ({ verb: Verb.INCREMENT, name, amount: 1n, mustExist: false })),
    );
    const among = new Prefixes(prefixes);
    for (const [i, name] of names.entries()) {
      // Of prefixes inside one another the shortest says it all.
      const [own] = prefixes.filter((prefix) => name.startsWith(prefix)).sort((a, b) => a.length - b.length);
      let end = i;
      while (own !== undefined && names[end]?.startsWith(own)) end++;
      expect(among.endOfRun(ops, i), `${name} among ${prefixes.join(" ")}`).toBe(end);
    }
  },
);
