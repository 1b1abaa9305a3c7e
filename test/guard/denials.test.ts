/** What operators are told of those who were refused: nobody pushes out what others were refused. */
import { describe, expect, it } from "vitest";
import { Permission } from "../../src/core/permissions.ts";
import { type Denial, Denials } from "../../src/guard/denials.ts";
import { HandClock } from "../support/clock.ts";

const SHOP: Denial = {
  reason: "PERMISSION_DENIED",
  caller: "shop",
  keyId: "4fzk2qm9xbta",
  address: "192.0.2.1",
  door: "grpc",
  method: "tally.v1.CounterService/Set",
  permission: Permission.SET,
  target: "shop.a",
};
const NOBODY = { ...SHOP, caller: "", keyId: "", permission: 0, target: "" };

describe("the denials that are kept", () => {
  it.each<[string, Partial<Denial>]>([
    ["has no credential", { ...NOBODY, reason: "CREDENTIAL_MISSING" }],
    ["has a wrong one", { ...NOBODY, reason: "CREDENTIAL_INVALID" }],
    [
      "has the id of a key and not its secret",
      { ...NOBODY, reason: "CREDENTIAL_INVALID", keyId: SHOP.keyId },
    ],
    ["is anonymous", { caller: "anonymous", keyId: "" }],
  ])("are not pushed out by who %s, from however many addresses", (_, who) => {
    const denials = new Denials(new HandClock());
    denials.add(SHOP);
    for (let i = 0; i < 1_100; i++) denials.add({ ...SHOP, ...who, address: addressOf(i) });
    const { latest } = denials;
    expect(latest).toHaveLength(501);
    expect(latest[0]!.address).toBe(addressOf(1_099));
    expect(latest[499]!.address).toBe(addressOf(600));
    expect(latest[500]).toMatchObject({ ...SHOP, count: 1 });
  });

  it("are the latest 500 of callers that are known, and push out none of the others'", () => {
    const denials = new Denials(new HandClock());
    denials.add({ ...NOBODY, reason: "CREDENTIAL_MISSING" });
    for (let i = 0; i < 600; i++) denials.add({ ...SHOP, address: addressOf(i) });
    const { latest } = denials;
    expect(latest).toHaveLength(501);
    expect(latest.slice(0, 500).map(({ address }) => address)).toEqual(
      Array.from({ length: 500 }, (_, i) => addressOf(599 - i)),
    );
    expect(latest[500]).toMatchObject({ reason: "CREDENTIAL_MISSING" });
  });

  it("are told together, the latest first, even if the clock is set back; alike ones once", () => {
    const clock = new HandClock();
    const denials = new Denials(clock);
    const nobody: Denial = { ...NOBODY, reason: "CREDENTIAL_MISSING" };
    for (const denial of [SHOP, nobody, { ...SHOP, caller: "other" }, { ...nobody, address: "::1" }, SHOP]) {
      denials.add(denial);
      clock.wallMs -= 1_000;
    }
    expect(denials.latest.map(({ caller, address, count }) => [caller, address, count])).toEqual([
      ["shop", "192.0.2.1", 2],
      ["", "::1", 1],
      ["other", "192.0.2.1", 1],
      ["", "192.0.2.1", 1],
    ]);
  });
});

function addressOf(i: number): string {
  return `198.51.${i >> 8}.${i & 255}`;
}
