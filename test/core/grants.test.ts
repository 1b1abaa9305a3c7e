import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { type Grant, Grants, grantFromText, grantToText, intersect } from "../../src/core/grants.ts";
import { Permission } from "../../src/core/permissions.ts";

const { READ, INCREMENT, DECREMENT, SET, CREATE, ADMIN, OBSERVE } = Permission;

function grants(...texts: string[]): Grants {
  return new Grants(texts.map((text) => grantFromText(text) as Grant));
}

describe("how a grant is written", () => {
  it.each([
    ["read@", { permissions: READ, prefix: "" }],
    ["read,increment@shop.", { permissions: READ | INCREMENT, prefix: "shop." }],
    ["write@shop:", { permissions: INCREMENT | DECREMENT | SET | CREATE, prefix: "shop:" }],
    ["read@=shop.total", { permissions: READ, name: "shop.total" }],
    ["read@=a@b", { permissions: READ, name: "a@b" }],
    ["read@==", { permissions: READ, name: "=" }],
    ["read@a@b/", { permissions: READ, prefix: "a@b/" }],
    ["observe,admin@", { permissions: OBSERVE | ADMIN, prefix: "" }],
    ["all@shop-", { permissions: 255, prefix: "shop-" }],
  ])("%s", (text, grant) => {
    expect(grantFromText(text)).toEqual(grant);
  });

  it.each([
    ["", /PERMISSIONS@PREFIX/],
    ["read", /PERMISSIONS@PREFIX/],
    ["@shop.", /begin with permissions/],
    ["Read@shop.", /begin with permissions/],
    ["read, increment@shop.", /begin with permissions/],
    ["read,@shop.", /begin with permissions/],
    ["read@shop", /ends in one of/],
    ["read@shop%", /ends in one of/],
    ["read@-shop.", /ends in one of/],
    ["read@sh op.", /ends in one of/],
    [`read@${"a".repeat(200)}.`, /ends in one of/],
    ["read@=", /behind @=/],
    ["read@=a b", /behind @=/],
    ["admin@shop.", /on all names/],
    ["read,observe@=a", /on all names/],
  ])("%s is none", (text, why) => {
    expect(grantFromText(text)).toMatch(why);
  });
});

describe("what grants permit", () => {
  it.each<[string[], number, object, boolean]>([
    [["read@shop."], READ, { name: "shop.a" }, true],
    [["read@shop."], READ, { name: "shop." }, true],
    [["read@shop."], READ, { name: "shopping" }, false],
    [["read@shop."], READ, { name: "shop" }, false],
    [["read@shop."], READ, { name: "Shop.a" }, false],
    [["read@shop."], READ, { name: "shop%2Ea" }, false],
    [["read@shop."], INCREMENT, { name: "shop.a" }, false],
    [["read@shop."], READ, { prefix: "shop." }, true],
    [["read@shop."], READ, { prefix: "shop.a" }, true],
    [["read@shop."], READ, { prefix: "shop" }, false],
    [["read@shop."], READ, { prefix: "" }, false],
    [["read@"], READ, { prefix: "" }, true],
    [["read@=shop.a"], READ, { name: "shop.a" }, true],
    [["read@=shop.a"], READ, { name: "shop.ab" }, false],
    [["read@=shop.a"], READ, { prefix: "shop.a" }, false],
    [["increment@shop.", "create@=shop.a"], INCREMENT | CREATE, { name: "shop.a" }, true],
    [["increment@shop.", "create@=shop.a"], INCREMENT | CREATE, { name: "shop.b" }, false],
    [["increment@", "create@shop."], INCREMENT | CREATE, { name: "shop.b" }, true],
    [["all@shop."], ADMIN, { prefix: "" }, false],
    [["admin@"], ADMIN, { prefix: "" }, true],
    [["admin@"], READ, { name: "a" }, false],
    [[], READ, { name: "a" }, false],
  ])("%j: %d of %j is %s", (texts, needed, target, allowed) => {
    expect(grants(...texts).allow(needed, target as { name: string })).toBe(allowed);
  });
});

const name = fc.stringMatching(/^[a-c.:]{1,4}$/);
const grant = fc.oneof(
  fc.record({ permissions: fc.integer({ min: 1, max: 63 }), name }),
  fc.record({
    permissions: fc.integer({ min: 1, max: 63 }),
    prefix: fc.oneof(
      fc.constant(""),
      name.map((text) => `${text}.`),
    ),
  }),
);

test.prop([grant])("what is written is read as the same", (one) => {
  expect(grantFromText(grantToText(one))).toEqual(one);
});

test.prop([fc.array(grant, { maxLength: 6 }), fc.integer({ min: 1, max: 63 }), name])(
  "a name is permitted what some grant on it, or on what it begins with, permits, bit by bit",
  (all, needed, asked) => {
    const permitted = all
      .filter((one) => ("name" in one ? one.name === asked : asked.startsWith(one.prefix)))
      .reduce((bits, { permissions }) => bits | permissions, 0);
    expect(new Grants(all).allow(needed, { name: asked })).toBe((permitted & needed) === needed);
  },
);

test.prop([fc.array(grant, { maxLength: 6 }), fc.integer({ min: 1, max: 63 }), name, name])(
  "what is permitted on all of a prefix is permitted on every name that begins with it",
  (all, needed, prefix, rest) => {
    const some = new Grants(all);
    if (some.allow(needed, { prefix })) expect(some.allow(needed, { name: prefix + rest })).toBe(true);
  },
);

const target = fc.oneof(
  fc.record({ name }),
  fc.record({ prefix: fc.oneof(fc.constant(""), name) }),
) as fc.Arbitrary<{ name: string } | { prefix: string }>;
const some = fc.array(grant, { maxLength: 6 }).map((all) => new Grants(all));

test.prop([some, some, fc.integer({ min: 1, max: 63 }), target])(
  "an intersection permits what both permit, and nothing else",
  (one, other, needed, asked) => {
    const both = one.allow(needed, asked) && other.allow(needed, asked);
    expect(intersect(one, other).allow(needed, asked)).toBe(both);
    expect(intersect(other, one).allow(needed, asked)).toBe(both);
  },
);
