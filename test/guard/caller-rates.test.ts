import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { whyNoNetwork } from "../../src/config/networks.ts";
import { AddressBuckets, networkOf } from "../../src/guard/address-buckets.ts";
import { CallerRates, type ServerRates } from "../../src/guard/caller-rates.ts";
import { TrustedProxies } from "../../src/guard/client-address.ts";
import type { Counted, Rate } from "../../src/guard/rate.ts";

const NO_RATES: ServerRates = { principal: undefined, anonymous: undefined, tokens: undefined };

function counting(rates: Partial<ServerRates> = {}) {
  let nowMs = 5_000;
  const clock = { now: () => 0, monotonic: () => nowMs };
  return {
    rates: new CallerRates(clock, { ...NO_RATES, ...rates }, 1),
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

const shop: Counted = { caller: "p1", credential: "key" };
const nobody: Counted = { caller: "", credential: "none" };
const visitor = (caller: string, keyId = "k1"): Counted => ({
  ...{ caller, keyId, credential: "capability" },
  rate: { calls: 1, callsBurst: 20 },
});

describe("how often somebody may call", () => {
  it("a burst, and from then on so many a second, to the millisecond", () => {
    const { rates, pass } = counting({ principal: { calls: 10, callsBurst: 3 } });
    for (let i = 0; i < 3; i++) expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.head(shop, "a")).toEqual({ code: "RATE_LIMITED", retryAfterMs: 100 });
    pass(99);
    expect(rates.head(shop, "a")).toEqual({ code: "RATE_LIMITED", retryAfterMs: 1 });
    pass(1);
    expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.head(shop, "a")).toMatchObject({ retryAfterMs: 100 });
  });

  it("one's own rate counts before the server's; without either nobody is counted", () => {
    const { rates } = counting({ principal: { calls: 1 } });
    const own = { ...shop, caller: "p2", rate: { calls: 2 } };
    expect([rates.head(own, "a"), rates.head(own, "a")]).toEqual([undefined, undefined]);
    expect(rates.head(own, "a")).toMatchObject({ code: "RATE_LIMITED" });
    const free = counting();
    for (let i = 0; i < 1_000; i++) expect(free.rates.head(shop, "a")).toBeUndefined();
  });

  it("the holder of the root key is not counted", () => {
    const { rates } = counting({ principal: { calls: 1 }, anonymous: { calls: 1 } });
    const root: Counted = { caller: "root", credential: "root" };
    for (let i = 0; i < 100; i++) expect(rates.head(root, "a")).toBeUndefined();
  });

  it("a token takes from itself alone, and from no principal and no other token of its principal", () => {
    const { rates } = counting({ principal: { calls: 1 } });
    const token = (token: string): Counted => ({ ...visitor("p1"), token, rate: { calls: 1 } });
    expect([rates.head(token("a"), "a"), rates.head(token("b"), "a"), rates.head(shop, "a")]).toEqual(
      Array(3).fill(undefined),
    );
    expect(rates.head(token("a"), "a")).toMatchObject({ code: "RATE_LIMITED" });
  });

  it("principals do not take from each other, whatever their addresses", () => {
    const { rates } = counting({ principal: { calls: 1 } });
    expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.head({ ...shop, caller: "p2" }, "a")).toBeUndefined();
    expect(rates.head(shop, "b")).toMatchObject({ code: "RATE_LIMITED" });
  });

  it("who is nobody is counted by address, an IPv6 one by its network", () => {
    const { rates } = counting({ anonymous: { calls: 1 } });
    expect(rates.head(nobody, "192.0.2.1")).toBeUndefined();
    expect(rates.head(nobody, "192.0.2.1")).toMatchObject({ code: "RATE_LIMITED" });
    expect(rates.head(nobody, "192.0.2.2")).toBeUndefined();
    expect(rates.head(nobody, "2001:db8::1")).toBeUndefined();
    expect(rates.head(nobody, "2001:db8::2")).toMatchObject({ code: "RATE_LIMITED" });
    expect(rates.head(nobody, "2001:db8:0:1::1")).toBeUndefined();
  });

  it("a visitor starves neither another one, nor the key's own calls", () => {
    const { rates } = counting({ tokens: { calls: 100, callsBurst: 50 } });
    let passed = 0;
    for (let i = 0; i < 100; i++) if (rates.head(visitor("v1"), "a") === undefined) passed++;
    expect(passed).toBe(20); // Its own burst. What was refused took nothing of what all tokens share.
    for (let i = 0; i < 20; i++) expect(rates.head(visitor("v2"), "b")).toBeUndefined();
    for (let i = 0; i < 10; i++) expect(rates.head(visitor("v3"), "c")).toBeUndefined();
    expect(rates.head(visitor("v4"), "d")).toMatchObject({ code: "RATE_LIMITED" });
    expect(rates.head(visitor("v5", "k2"), "d")).toBeUndefined();
    for (let i = 0; i < 100; i++) expect(rates.head(shop, "a")).toBeUndefined();
  });

  it("operations are counted beside calls; more than all at once waits for all, and is then let through", () => {
    const { rates, pass } = counting({ principal: { calls: 100, operations: 1_000, operationsBurst: 500 } });
    expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.charge(shop, "a", 499)).toBeUndefined();
    expect(rates.charge(shop, "a", 1)).toMatchObject({ retryAfterMs: 1 });
    expect(rates.head(shop, "a")).toMatchObject({ code: "RATE_LIMITED" });
    expect(rates.charge(shop, "a", 8_000)).toMatchObject({ retryAfterMs: 500 });
    pass(500);
    expect(rates.charge(shop, "a", 8_000)).toBeUndefined();
    pass(7_999);
    expect(rates.charge(shop, "a", 500)).toMatchObject({ retryAfterMs: 1 });
    pass(1);
    expect(rates.charge(shop, "a", 500)).toBeUndefined();
  });

  it("a batch that is refused takes no operations: who sends it again is let through when there are so many", () => {
    const { rates, pass } = counting({ principal: { calls: 100_000, operations: 10, operationsBurst: 10 } });
    const batch = (operations: number) =>
      rates.head(shop, "a") ?? rates.charge(shop, "a", operations - 1, 1) ?? "let through";
    for (const operations of [10, 50]) {
      let passed = 0;
      for (let ms = 0; ms < 5_000; ms += 50, pass(50)) if (batch(operations) === "let through") passed++;
      expect(passed).toBe(operations === 10 ? 5 : 1); // One at once, and then one a second; or one for five.
      pass(60_000);
    }
  });

  it("what is more than all at once is let through with its own head when all is there", () => {
    const { rates, pass } = counting({ principal: { calls: 100, operations: 1_000, operationsBurst: 500 } });
    expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.charge(shop, "a", 7_999, 1)).toBeUndefined();
    expect(rates.head(shop, "a")).toMatchObject({ retryAfterMs: 7_501 });
    pass(8_000);
    expect(rates.head(shop, "a")).toBeUndefined();
  });

  it("another rate is counted anew, the same one in another object goes on", () => {
    const { rates } = counting();
    const at = (rate: Rate) => rates.head({ ...shop, rate }, "a");
    for (let i = 0; i < 15; i++) expect(at({ calls: 1, callsBurst: 15 })).toBeUndefined();
    expect(at({ calls: 1, callsBurst: 15 })).toMatchObject({ code: "RATE_LIMITED" });
    for (let i = 0; i < 15; i++) expect(at({ calls: 100, callsBurst: 15 })).toBeUndefined();
    expect(at({ calls: 100, callsBurst: 15 })).toMatchObject({ retryAfterMs: 10 });
  });

  it("a batch of a visitor's is no way around its rate: each operation counts, and no more than all at once", () => {
    const { rates, pass } = counting({ tokens: { calls: 1_000, callsBurst: 5_000 } });
    const one = visitor("v1");
    expect(rates.head(one, "a")).toBeUndefined();
    expect(rates.charge(one, "a", 18)).toBeUndefined();
    expect(rates.charge(one, "a", 2)).toEqual({ code: "RATE_LIMITED", retryAfterMs: 1_000 });
    expect(rates.charge(one, "a", 7_999)).toMatchObject({
      code: "PERMISSION_DENIED",
      expected: expect.stringContaining("20 operations at once"),
    });
    pass(20_000);
    expect(rates.charge(one, "a", 7_999)).toMatchObject({ code: "PERMISSION_DENIED" });
    const anonymous = counting({ anonymous: { calls: 5, callsBurst: 10 } });
    expect(anonymous.rates.head(nobody, "a")).toBeUndefined();
    expect(anonymous.rates.charge(nobody, "a", 9)).toBeUndefined();
    expect(anonymous.rates.head(nobody, "a")).toMatchObject({ code: "RATE_LIMITED" });
  });

  it("memory stays, whoever calls; who still waits is forgotten last", () => {
    const { rates } = counting();
    const rate = { calls: 1 };
    expect(rates.head({ ...shop, rate }, "a")).toBeUndefined();
    for (let i = 0; i < 65_000; i++) rates.head({ caller: `v${i}`, credential: "oidc", rate }, "a");
    expect(rates.head({ ...shop, rate }, "a")).toMatchObject({ code: "RATE_LIMITED" });
    for (let i = 0; i < 70_000; i++) {
      rates.head({ caller: `w${i}`, credential: "oidc", rate }, "a");
      if (i % 10_000 === 0)
        expect(rates.head({ ...shop, rate }, "a")).toMatchObject({ code: "RATE_LIMITED" });
    }
  });
});

test.prop([
  fc.integer({ min: 1, max: 50 }),
  fc.integer({ min: 1, max: 20 }),
  fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 5 })), { maxLength: 200 }),
])("never more than the burst and what its time brings, and no less", (perSecond, burst, times) => {
  const { rates, pass } = counting({
    principal: { calls: 1_000_000, operations: perSecond, operationsBurst: burst },
  });
  let [tokens, passed] = [burst, 0]; // The model: a bucket that is filled.
  for (const [ms, amount] of times) {
    pass(ms);
    tokens = Math.min(burst, tokens + (ms * perSecond) / 1_000);
    const needed = Math.min(amount, burst);
    if (Math.abs(tokens - needed) < 1e-9) continue; // Where rounding decides, neither is wrong.
    const refused = rates.charge(shop, "a", amount);
    expect(refused === undefined).toBe(tokens > needed);
    if (refused === undefined) {
      tokens -= amount;
      passed += amount;
    } else expect(refused.retryAfterMs).toBe(Math.ceil(((needed - tokens) * 1_000) / perSecond - 1e-9));
  }
  expect(passed).toBeGreaterThanOrEqual(0);
});

it.each([
  ["2001:db8::1", "2001:db8:0:0"],
  ["2001:db8:0:0:1:2:3:4", "2001:db8:0:0"],
  ["2001:0DB8::", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["192.0.2.1", "192.0.2.1"],
  ["", ""],
])("the network of %s is %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

it("addresses come to buckets by a seed, evenly", () => {
  const spread = (seed: number) => {
    const buckets = new AddressBuckets(seed, () => ({ met: 0 }));
    const all = Array.from({ length: 5_000 }, (_, i) => buckets.at(`10.0.${i >> 8}.${i & 255}`));
    return { all, distinct: new Set(all).size };
  };
  expect(spread(1).distinct).toBeGreaterThan(4_500);
  expect(spread(2).distinct).toBeGreaterThan(4_500);
});

describe("where a request comes from", () => {
  const proxies = new TrustedProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
  it.each([
    ["10.0.0.1", "198.51.100.9", "198.51.100.9"],
    ["10.0.0.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"],
    ["10.0.0.1", "203.0.113.5, 198.51.100.9, 10.2.3.4", "198.51.100.9"],
    ["10.0.0.1", "10.1.1.1", "10.1.1.1"],
    ["10.0.0.1", undefined, "10.0.0.1"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "198.51.100.9, junk", "10.0.0.1"],
    ["10.0.0.1", "junk, 10.0.0.2", "10.0.0.2"],
    ["10.0.0.1", "198.51.100.9:4711", "198.51.100.9"],
    ["2001:db8::1", "[2001:db9::1]:4711", "2001:db9::1"],
    ["192.0.2.7", "2001:db9::1", "2001:db9::1"],
    ["192.0.2.8", "198.51.100.9", "192.0.2.8"],
    ["", "198.51.100.9", ""],
  ])("from %s, who says %s: %s", (peer, forwarded, address) => {
    expect(proxies.addressOf(peer, forwarded)).toBe(address);
  });

  it("nobody is believed unless somebody is trusted", () => {
    expect(new TrustedProxies([]).addressOf("127.0.0.1", "198.51.100.9")).toBe("127.0.0.1");
  });

  it.each(["10.0.0.0/8", "10.0.0.1", "::1", "2001:db8::/32", "0.0.0.0/0"])("%s is a network", (text) => {
    expect(whyNoNetwork(text)).toBeUndefined();
    expect(() => new TrustedProxies([text])).not.toThrow();
  });
  it.each(["", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/8/8", "10.0.0.0/", "shop"])(
    "%s is none",
    (text) => {
      expect(whyNoNetwork(text)).toMatch(/expected an IP address or a CIDR/);
    },
  );
});

describe("rates that become others", () => {
  it("begin to count anew: what was owed at a slow rate keeps nobody waiting at a fast one", () => {
    const { rates } = counting({ principal: { calls: 1, callsBurst: 1_000 } });
    for (let n = 0; n < 1_000; n++) expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.head(shop, "a")).toMatchObject({ code: "RATE_LIMITED" });
    rates.become({ ...NO_RATES, principal: { calls: 100 } });
    for (let n = 0; n < 100; n++) expect(rates.head(shop, "a")).toBeUndefined();
    expect(rates.head(shop, "a")).toEqual({ code: "RATE_LIMITED", retryAfterMs: 10 });
  });
});

describe("proxies that become others", () => {
  it("are believed from then on, and those of before are not", () => {
    const proxies = new TrustedProxies(["10.0.0.1"]);
    proxies.become(["10.0.0.2"]);
    expect(proxies.addressOf("10.0.0.1", "198.51.100.9")).toBe("10.0.0.1");
    expect(proxies.addressOf("10.0.0.2", "198.51.100.9")).toBe("198.51.100.9");
    proxies.become([]);
    expect(proxies.areNone).toBe(true);
    expect(proxies.addressOf("10.0.0.2", "198.51.100.9")).toBe("10.0.0.2");
  });
});
