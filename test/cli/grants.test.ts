/** What `tally auth principal update` makes of grants. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { changedGrants } from "../../src/cli/auth/grants.ts";
import { EXIT } from "../../src/cli/exit.ts";
import { Grants, grantFromText } from "../../src/core/grants.ts";

describe("changed grants", () => {
  it.each<[string[], string[], string[], string[]]>([
    [[], [], ["read@shop."], ["read@shop."]],
    [["read@shop."], [], ["write@shop."], ["read,increment,decrement,set,create@shop."]],
    [["read@shop."], [], ["read@=shop.total"], ["read@shop.", "read@=shop.total"]],
    [["read,increment@shop.", "read@web."], ["increment@shop."], [], ["read@shop.", "read@web."]],
    [["read,increment@shop."], ["all@shop."], [], []],
    [["all@shop."], ["manage@shop."], [], ["read,increment,decrement,set,create@shop."]],
    [["all@"], ["admin@"], [], ["read,increment,decrement,set,create,manage,observe@"]],
    [["read@=a@b"], ["read@=a@b"], ["set@=a@b"], ["set@=a@b"]],
    [["future@shop.", "read@web."], [], ["set@web."], ["future@shop.", "read,set@web."]],
  ])("%j less %j with %j are %j", (current, revokeGrant, grant, expected) => {
    expect(changedGrants(current, { revokeGrant, grant })).toEqual(expected);
  });

  it.each([
    [{ grant: ["read"] }, '--grant "read" must be PERMISSIONS@PREFIX or PERMISSIONS@=NAME.'],
    [{ grant: ["read@shop"] }, '--grant "read@shop" must have a prefix that ends in one of . / : -'],
    [{ grant: ["raed@shop."] }, '--grant "raed@shop." must begin with permissions: read, '],
    [{ grant: ["admin@shop."] }, '--grant "admin@shop." must have observe and admin on all names'],
    [
      { revokeGrant: ["set@shop."] },
      "nothing of --revoke-grant set@shop. to take away; the grants are read@shop.",
    ],
    [{ revokeGrant: ["read@shop.x."] }, "nothing of --revoke-grant read@shop.x. to take away"],
  ])("%j is refused", (changes, sentence) => {
    const make = () => changedGrants(["read@shop."], changes);
    expect(make).toThrow(
      expect.objectContaining({ exit: EXIT.USAGE, message: expect.stringContaining(sentence) }),
    );
  });

  const words = ["read", "increment", "decrement", "set", "create", "manage"];
  const some = fc.subarray(words, { minLength: 1 });
  const target = fc.constantFrom("a.", "a.b.", "=a.b.c", "");
  const grant = fc.tuple(some, target).map(([permissions, on]) => `${permissions.join(",")}@${on}`);
  test.prop([fc.array(grant), grant])(
    "permit what was permitted, less what was revoked, and no more",
    (texts, more) => {
      const current = changedGrants([], { grant: texts });
      const added = changedGrants(current, { grant: [more] });
      expect(changedGrants(added, { grant: [more] })).toEqual(added);
      const revoked = changedGrants(added, { revokeGrant: [more] });
      const on = more.slice(more.indexOf("@") + 1);
      const gone = bits([more], on);
      for (const each of ["a.", "a.b.", "=a.b.c", ""]) {
        const before = bits(added, each);
        expect(bits(revoked, each)).toBe(each === on ? before & ~gone : before);
      }
    },
  );
});

function parsed(texts: readonly string[]): Grants {
  return new Grants(
    texts.map((text) => {
      const grant = grantFromText(text);
      if (typeof grant === "string") throw new Error(`${text} ${grant}`);
      return grant;
    }),
  );
}

/** What is granted on exactly this. */
function bits(texts: readonly string[], on: string): number {
  return parsed(texts).all.reduce((sum, each) => (textOf(each) === on ? sum | each.permissions : sum), 0);
}

function textOf(target: { name: string } | { prefix: string }): string {
  return "name" in target ? `=${target.name}` : target.prefix;
}
