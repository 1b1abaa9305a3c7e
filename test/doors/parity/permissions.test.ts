/**
 * Goal: what a call needs beside its method's own permission is asked for at every door, and what is refused is not applied.
 *
 * Method: callers whose grants are the text in a header; a table of calls, each with who may and who may not.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { DEFAULTS } from "../../../src/core/settings.ts";
import { toBatch } from "../../../src/service/call.ts";
import { Policies } from "../../../src/service/policies.ts";
import type { Authorise } from "../../../src/transports/calls/authorise.ts";
import { toPageToken, toPoliciesToken } from "../../../src/transports/calls/page-token.ts";
import { create, single } from "../../support/calls.ts";
import { type Opened, open } from "../../transports/door.ts";
import { accessBy, grantsOf } from "../../transports/granted.ts";
import { everyDoorOf } from "./with-headers.ts";

/** What was charged beside the one operation of each call, and what is too much. */
interface Charged {
  readonly charges: number[];
  readonly tooMuch?: boolean;
}

/** Whoever calls has the grants that are in x-grants, separated by spaces, and amounts up to x-amount-max. */
function byGrants({ charges, tooMuch = false }: Charged = { charges: [] }): Authorise {
  return ({ headerOf }) => {
    const grants = grantsOf(...(headerOf("x-grants")?.split(" ") ?? []));
    const max = headerOf("x-amount-max");
    const access = accessBy(grants, {
      amountMax: max === undefined ? undefined : BigInt(max),
      charge(operations) {
        charges.push(operations);
        return tooMuch ? { code: "RATE_LIMITED", retryAfterMs: 1_500 } : undefined;
      },
    });
    return { caller: "c", access };
  };
}

const MAX = { settings: { max: "9" } };
const WITH: JsonObject = { ifMissing: { max: "9" } };
const add = (name: string, rest: JsonObject = {}) => ({ operations: [{ name, increment: "1", ...rest }] });

type Row = readonly [method: string, request: JsonObject, grants: string, said: string, headers?: string];
const DENIED = "PERMISSION_DENIED";

const TABLE: readonly Row[] = [
  // To bring settings for a counter needs what making one with them does, whether or not it is there.
  ...["there", "new"].flatMap((name): Row[] => [
    ["Increment", { name: `s.${name}`, ...WITH }, "increment,create@s.", DENIED],
    ["Increment", { name: `s.${name}`, ...WITH }, "increment,manage@s.", DENIED],
    ["Increment", { name: `s.${name}`, ...WITH }, "increment,create,manage@s.", "OK"],
    ["Set", { name: `s.${name}`, value: "1", ...WITH }, "set,create@s.", DENIED],
    ["Set", { name: `s.${name}`, value: "1", ...WITH }, "set,create,manage@s.", "OK"],
    ["TakeLimit", { name: `s.${name}`, ...WITH }, "increment,create@s.", DENIED],
    ["TakeLimit", { name: `s.${name}`, ...WITH }, "increment,create,manage@s.", "OK"],
    ["TakeLimits", { takes: [{ name: `s.${name}`, ...WITH }] }, "increment@s.", DENIED],
    ["TakeLimits", { takes: [{ name: `s.${name}`, ...WITH }] }, "increment,create,manage@s.", "OK"],
    ["BatchApply", add(`s.${name}`, WITH), "increment,create@", DENIED],
    ["BatchApply", add(`s.${name}`, WITH), "write@", DENIED],
    ["BatchApply", add(`s.${name}`, WITH), "increment,create,manage@s.", "OK"],
  ]),

  // Who may not create meets a missing counter as if it had to be there.
  ["Increment", { name: "s.new" }, "increment@s.", "COUNTER_NOT_FOUND"],
  ["Increment", { name: "s.there" }, "increment@s.", "OK"],
  ["Increment", { name: "s.new" }, "increment,create@s.", "OK"],
  ["Increment", { name: "s.new" }, "increment@s. create@=s.new", "OK"],
  ["Increment", { name: "s.new" }, "increment@s. create@=s.other", "COUNTER_NOT_FOUND"],
  ["Set", { name: "s.new", value: "1" }, "set@s.", "COUNTER_NOT_FOUND"],
  ["Set", { name: "s.new", value: "1" }, "set,create@", "OK"],
  ["TakeLimit", { name: "p.new" }, "increment@p.", "LIMIT_NOT_FOUND"],
  ["TakeLimit", { name: "p.new" }, "increment,create@p.", "OK"],
  ["TakeLimits", { takes: [{ name: "p.new" }] }, "increment@p.", "LIMIT_NOT_FOUND"],
  ["TakeLimits", { takes: [{ name: "p.new" }] }, "increment,create@p.", "OK"],
  ["BatchApply", { ...add("s.new"), allOrNothing: true }, "increment@s.", "COUNTER_NOT_FOUND"],
  ["BatchApply", { ...add("s.new"), allOrNothing: true }, "increment@", "COUNTER_NOT_FOUND"],
  ["BatchApply", { ...add("s.new"), allOrNothing: true }, "increment,create@s.", "OK"],

  // A try is a read.
  ["TakeLimit", { name: "s.there", dryRun: true }, "read@s.", "OK"],
  ["TakeLimit", { name: "s.there", dryRun: true }, "increment@s.", DENIED],
  ["TakeLimit", { name: "s.there" }, "read@s.", DENIED],
  ["TakeLimits", { takes: [{ name: "s.there" }], dryRun: true }, "read@s.", "OK"],
  ["TakeLimits", { takes: [{ name: "s.there" }, { name: "t.there" }], dryRun: true }, "read@s.", DENIED],
  ["GiveBackLimit", { name: "s.there", amount: "1" }, "increment,read@s.", DENIED],
  ["GiveBackLimit", { name: "s.there", amount: "1" }, "decrement@s.", "OK"],

  // How much at once; what is set is not bounded by that.
  ["Increment", { name: "s.there", amount: "3" }, "write@s.", "OK", "3"],
  ["Increment", { name: "s.there", amount: "4" }, "write@s.", DENIED, "3"],
  ["Decrement", { name: "s.there", amount: "4" }, "write@", DENIED, "3"],
  ["TakeLimit", { name: "s.there", amount: "4" }, "write@s.", DENIED, "3"],
  ["TakeLimit", { name: "s.there", amount: "4", dryRun: true }, "read@s.", "OK", "3"],
  ["TakeLimits", { takes: [{ name: "s.there", amount: "4" }] }, "write@s.", DENIED, "3"],
  ["GiveBackLimit", { name: "s.there", amount: "4" }, "write@s.", DENIED, "3"],
  ["Set", { name: "s.there", value: "4" }, "write@s.", "OK", "3"],
  ["BatchApply", { operations: [{ name: "s.there", increment: "4" }] }, "write@", DENIED, "3"],
  ["BatchApply", { operations: [{ name: "s.there", decrement: "4" }] }, "write@s.", DENIED, "3"],
  ["BatchApply", { operations: [{ name: "s.there", increment: "3" }] }, "write@s.", "OK", "3"],
  ["BatchApply", { operations: [{ name: "s.there", set: "4" }] }, "write@s.", "OK", "3"],

  // Of a prefix all is asked for, of a policy too.
  ["ListCounters", { prefix: "s." }, "read@s.", "OK"],
  ["ListCounters", { prefix: "s" }, "read@s.", DENIED],
  ["ListCounters", {}, "read@s. read@t.", DENIED],
  ["TopCounters", { prefix: "s" }, "read@s.", DENIED],
  ["SumCounters", {}, "read@s.", DENIED],
  ["QueryHistory", { prefix: "s" }, "read@s.", DENIED],
  ["ListPolicies", { prefix: "p." }, "read@p.", "OK"],
  ["ListPolicies", { prefix: "" }, "read@p.", DENIED],
  ["GetPolicy", { prefix: "p." }, "read@p.", "OK"],
  ["GetPolicy", { prefix: "p." }, "read@=p.", DENIED],
  ["SetPolicy", { prefix: "s.a.", ...MAX }, "manage@s.", "OK"],
  ["SetPolicy", { prefix: "s", ...MAX }, "manage@s.", DENIED],
  ["SetPolicy", { prefix: "s.", ...MAX }, "write,read@s.", DENIED],
  ["DeletePolicy", { prefix: "p." }, "manage@p.", "OK"],
  ["DeletePolicy", { prefix: "p." }, "write,read@p. manage@s.", DENIED],
  ["UpdateCounter", { name: "s.there", followPolicy: true }, "write,read@s.", DENIED],
];

it.for(TABLE)("%s %j by %s: %s", async ([method, request, grants, said, amountMax]) => {
  for (const door of everyDoorOf(method)) {
    await using opened = await open({ authorise: byGrants() });
    const before = await fill(opened);
    const headers = { "x-grants": grants, ...(amountMax !== undefined && { "x-amount-max": amountMax }) };
    // The path has the name, which is all that some doors have of the request.
    if (door.name.startsWith("the short") && JSON.stringify(request) !== JSON.stringify(plainOf(request)))
      continue;
    const answered = await door.call(opened, method, request, headers);
    expect(answered.said.split(" ")[0], door.name).toBe(said);
    if (said !== "OK") expect(await valuesIn(opened), door.name).toEqual(before);
  }
});

describe("a page token", () => {
  it("does not widen what may be listed, whoever has made it", async () => {
    const all = { "x-grants": "read@" };
    const own = { "x-grants": "read@s." };
    for (const door of everyDoorOf("ListCounters")) {
      await using opened = await open({ authorise: byGrants() });
      await fill(opened);
      const page = async (request: JsonObject, headers: Record<string, string>) =>
        door.call(opened, "ListCounters", { pageSize: 1, ...request }, headers);
      if (door.name.includes("GET")) continue; // Its paths have no parameters in this test.
      const wide = (await page({}, all)).json as { nextPageToken: string };
      expect(wide.nextPageToken, door.name).not.toBe("");
      const token = { pageToken: wide.nextPageToken };
      expect((await page({ ...token }, own)).said).toBe("PERMISSION_DENIED");
      expect((await page({ ...token, prefix: "s." }, own)).said).toBe("INVALID_FIELD page_token");
      expect((await page({ ...token }, { "x-grants": "increment@" })).said).toBe("PERMISSION_DENIED");
      expect((await page({ ...token }, all)).said).toBe("OK");
    }
  });
});

/** Anybody can make one: what ties it to its list is no secret. */
describe("a page token that was made by hand", () => {
  const own = { "x-grants": "read@s." };
  it.each([
    ["s.there", "OK"],
    ["a", "INVALID_FIELD page_token"],
    ["t.there", "INVALID_FIELD page_token"],
  ])("does not begin a list outside of its prefix: at %s", async (next, said) => {
    await using opened = await open({ authorise: byGrants() });
    await fill(opened);
    const tokens = {
      ListCounters: toPageToken(next, { prefix: "s.", labels: {} }, undefined),
      ListPolicies: toPoliciesToken(next, "s.", undefined),
    };
    for (const [method, pageToken] of Object.entries(tokens))
      for (const door of everyDoorOf(method)) {
        if (door.name.includes("GET")) continue;
        const answered = await door.call(opened, method, { prefix: "s.", pageToken }, own);
        expect(answered.said, `${method} ${door.name}`).toBe(said);
      }
  });
});

describe("what a call counts as", () => {
  const takes = [{ name: "s.there" }, { name: "s.there" }];
  const operations = [1, 2, 3].map(() => ({ name: "s.there", increment: "1" }));
  it.each<[string, JsonObject, number[]]>([
    ["Increment", { name: "s.there" }, []],
    ["BatchApply", { operations }, [2]],
    ["BatchApply", { operations: operations.slice(0, 1) }, []],
    ["TakeLimits", { takes }, [1]],
    ["TopCounters", { prefix: "s." }, [99]],
    ["SumCounters", { prefix: "s." }, [99]],
    ["QueryHistory", { prefix: "s." }, [99]],
    ["QueryHistory", { name: "s.there" }, []],
    ["GetPolicy", { prefix: "p." }, [99]],
    ["ListCounters", { prefix: "s." }, []],
  ])("%s %j: %j beside the one", async (method, request, expected) => {
    for (const door of everyDoorOf(method)) {
      if (method === "QueryHistory" && door.name.includes("GET") && "prefix" in request) continue; // Its path has a name.
      const charged = { charges: [] as number[] };
      await using opened = await open({ authorise: byGrants(charged) });
      await fill(opened);
      const { said } = await door.call(opened, method, request, { "x-grants": "all@" });
      expect([said, charged.charges], door.name).toEqual(["OK", expected]);
    }
  });

  it("is told when it is too much, with a time, and nothing is applied", async () => {
    for (const door of everyDoorOf("BatchApply")) {
      await using opened = await open({ authorise: byGrants({ charges: [], tooMuch: true }) });
      const before = await fill(opened);
      const answered = await door.call(opened, "BatchApply", { operations }, { "x-grants": "all@" });
      expect(answered.said, door.name).toBe("RATE_LIMITED");
      expect(await valuesIn(opened), door.name).toEqual(before);
    }
  });
});

/** What the paths of a name can say of a request. */
function plainOf({ name, value, prefix }: JsonObject): JsonObject {
  return {
    ...(name !== undefined && { name }),
    ...(value !== undefined && { value }),
    ...(prefix !== undefined && { prefix }),
  };
}

async function fill(opened: Opened): Promise<Record<string, bigint>> {
  for (const name of ["s.there", "t.there"])
    await opened.store.commit(toBatch([single(create(name, { value: 5n, max: 99n, min: 0n }))]));
  await new Policies(opened.store.catalogue!).set("p.", { ...DEFAULTS, max: 9n }, "enforce");
  return valuesIn(opened);
}

async function valuesIn({ store }: Opened): Promise<Record<string, bigint>> {
  const { counters } = await store.list({ prefix: "", labels: {} }, "", 100);
  return Object.fromEntries(counters.map(({ name, value }) => [name, value]));
}
