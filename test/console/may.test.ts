/** What the page takes grants for, before the server is asked. */
import { describe, expect, it } from "vitest";
import { readablePrefix, whyNone, whyNot } from "../../src/console/may.ts";
import { grantsOf } from "../../src/console/who-am-i.ts";

const SHOP = grantsOf(["read,increment@shop.", "set@=total", "manage@team."]);

describe("what somebody may not do", () => {
  it.each([
    ["increment", "shop.visits", ""],
    ["increment", "shopping", "you lack the permission increment"],
    ["decrement", "shop.visits", "you lack the permission decrement"],
    ["set", "total", ""],
    ["set", "total.a", "you lack the permission set"],
    ["manage", "team.a", ""],
    ["manage", "shop.a", "you lack the permission manage"],
  ] as const)("%s %s: %j", (needed, name, reason) => {
    expect(whyNot(SHOP, needed, name)).toBe(reason);
  });

  it("is nothing where nobody is asked who calls, or where the server is newer", () => {
    expect(grantsOf(["read@shop.", "fly@shop."])).toBeUndefined();
    expect(whyNot(undefined, "manage", "a")).toBe("");
    expect(whyNone(undefined, "manage")).toBe("");
    expect(readablePrefix(undefined, "")).toBe("");
  });

  it("of a counter that has no name yet is what they may do to none", () => {
    expect(whyNone(SHOP, "manage")).toBe("");
    expect(whyNone(SHOP, "decrement")).toBe("you lack the permission decrement");
    expect(whyNone(grantsOf([]), "read")).toBe("you lack the permission read");
  });

  it("leaves a list to look at, where there is one", () => {
    expect(readablePrefix(SHOP, "")).toBe("shop.");
    expect(readablePrefix(SHOP, "shop.x")).toBe("shop.x");
    expect(readablePrefix(grantsOf(["read@"]), "")).toBe("");
    expect(readablePrefix(grantsOf(["read@=a"]), "")).toBe("");
  });
});
