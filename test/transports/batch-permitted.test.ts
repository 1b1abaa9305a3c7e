import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { toColumns } from "../../src/core/columns.ts";
import { type Grant, Grants, grantFromText } from "../../src/core/grants.ts";
import { type Op, Verb } from "../../src/core/op.ts";
import { Permission } from "../../src/core/permissions.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import type { Access } from "../../src/transports/calls/authorise.ts";
import { batchPermitted } from "../../src/transports/calls/batch-permitted.ts";
import { asPermitted, opDenial } from "../../src/transports/calls/by-caller.ts";
import { accessBy, grantsOf } from "./granted.ts";

/** Prefixes inside one another, side by side, and none; and names around them. */
const PREFIXES = ["", "s.", "s.a.", "s.b/", "t:"];
const NAMES = ["s", "s.", "s.a", "s.a.", "s.a.x", "s.b/x", "s.b.x", "t", "t:x", "t.a.x", "shopping", "t:"];
const WORDS = ["increment", "decrement", "set", "create", "manage", "write", "increment,create"];

const grant = fc
  .tuple(
    fc.constantFrom(...WORDS),
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...PREFIXES) },
      fc.constantFrom(...NAMES.map((name) => `=${name}`)),
    ),
  )
  .map(([words, on]) => grantFromText(`${words}@${on}`) as Grant);

const op: fc.Arbitrary<Op> = fc
  .record({
    verb: fc.constantFrom(Verb.INCREMENT, Verb.DECREMENT, Verb.SET, Verb.RESET),
    name: fc.constantFrom(...NAMES),
    amount: fc.bigInt(1n, 4n),
    withSettings: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ withSettings, ...rest }) => ({
    ...rest,
    mustExist: false,
    settings:
      withSettings === 0 && (rest.verb === Verb.INCREMENT || rest.verb === Verb.SET) ? DEFAULTS : undefined,
  }));

const NEEDED = {
  [Verb.INCREMENT]: Permission.INCREMENT,
  [Verb.DECREMENT]: Permission.DECREMENT,
  [Verb.SET]: Permission.SET,
  [Verb.RESET]: Permission.SET,
} as Readonly<Record<number, number>>;

describe("a batch", () => {
  test.prop(
    [
      fc.array(grant, { maxLength: 6 }),
      fc.array(op, { minLength: 1, maxLength: 30 }),
      fc.option(fc.constantFrom(1n, 3n), { nil: undefined }),
      fc.boolean(),
    ],
    { numRuns: 2_000 },
  )("is judged as its operations are alone", (granted, ops, amountMax, knowsPrefixes) => {
    const grants = new Grants(granted);
    const prefixesFor: Access["prefixesFor"] = (needed) =>
      knowsPrefixes ? grants.prefixesFor(needed) : undefined;
    const access = accessBy(grants, { amountMax, prefixesFor });
    const alone = ops.map((op) => opDenial(access, NEEDED[op.verb]!, op));
    const index = alone.findIndex((denied) => denied !== undefined);
    const judged = batchPermitted(toColumns(ops), access);
    if (index !== -1) {
      expect(judged).toEqual({ ...alone[index]!, index });
      return;
    }
    if ("code" in judged)
      throw new Error(`expected it to be permitted, got ${judged.code} at ${judged.index}`);
    const mayNot = ops.map((op) => asPermitted(op, access).mayCreate === false);
    expect(ops.map((_, i) => judged.mayNotCreate?.[i] === 1)).toEqual(mayNot);
  });

  it("is left as it is, and nothing is asked, where all is permitted on whatever it is", () => {
    const asked = () => {
      throw new Error("expected nothing to be asked");
    };
    const everything = { everywhere: 255, allows: asked, denial: asked, charge: asked };
    const ops = toColumns([{ verb: Verb.INCREMENT, name: "a", amount: 1n, mustExist: false }]);
    expect(batchPermitted(ops, everything)).toBe(ops);
    expect(batchPermitted(ops, undefined)).toBe(ops);
  });

  it("asks for no name that begins as a grant has it, and once for each that does not", () => {
    const grants = grantsOf("write@s.", "write@=t");
    let asked = 0;
    const access = {
      ...accessBy(grants),
      allows: (...of: Parameters<Access["allows"]>) => {
        asked++;
        return grants.allow(...of);
      },
    };
    const ops = Array.from({ length: 100 }, (_, i) => ({
      ...{ verb: Verb.INCREMENT, name: i === 50 ? "t" : `s.${i}`, amount: 1n, mustExist: false },
    }));
    expect(batchPermitted(toColumns(ops), access)).toMatchObject({ count: 100 });
    expect(asked).toBe(1); // To increment and to create, at once.
  });
});
