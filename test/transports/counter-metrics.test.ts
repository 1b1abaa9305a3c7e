/** /metrics/counters: values of counters for Prometheus, whole or not at all. */
import { describe, expect, it } from "vitest";
import { parseExposition, samplesIn } from "../support/exposition.ts";
import { type Opened, open } from "./door.ts";
import { send } from "./http.ts";

const get = ({ door }: Opened, query: string, headers = {}) =>
  send(door.port, { path: `/metrics/counters${query}`, headers });

const reasonIn = ({ text }: { text: string }) => /"reason":\s*"(\w+)"/.exec(text)?.[1];

describe("/metrics/counters", () => {
  it("has the counters of a prefix by their names, and of their labels those that were asked for", async () => {
    await using opened = await open();
    const labels = { team: "a", env: 'of "sorts"\\\n', "cost-center": "7" };
    await opened.client.createCounter({ name: 'shop."a\\b"', value: -5n, labels });
    await opened.client.createCounter({ name: "shop.b", value: 9_223_372_036_854_775_807n });
    await opened.client.createCounter({ name: "other", value: 1n });
    const got = await get(opened, "?prefix=shop.&labels=env,cost-center");
    expect(got).toMatchObject({
      status: 200,
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" },
    });
    expect(samplesIn(got.text, "tally_counter_value").map(({ labels, value }) => [labels, value])).toEqual([
      [{ name: 'shop."a\\b"', label_env: labels.env, label_cost_center: "7" }, -5],
      [{ name: "shop.b" }, 2 ** 63],
    ]);
    expect(got.text).toContain(" 9223372036854775807\n"); // Whose digits Prometheus cannot keep.
    expect(samplesIn((await get(opened, "")).text, "tally_counter_value")).toHaveLength(3);
    expect(await get(opened, "?prefix=none")).toMatchObject({ status: 200, text: "" });
  });

  it("refuses what would be more than metrics-counters-max, and gives as many as that", async () => {
    await using opened = await open({ limits: { metricsCountersMax: 1_500 } });
    const operations = Array.from({ length: 1_501 }, (_, i) => ({
      name: i < 1_500 ? `a.${i}` : "b",
      action: { case: "increment" as const, value: 1n },
    }));
    await opened.client.batchApply({ operations });
    const all = parseExposition((await get(opened, "?prefix=a.")).text);
    expect(all[0]!.samples).toHaveLength(1_500);
    expect(new Set(all[0]!.samples.map(({ labels }) => labels.name)).size).toBe(1_500);
    const got = await get(opened, "");
    expect(got.status).toBe(400);
    expect(reasonIn(got)).toBe("INVALID_FIELD");
    expect(got.text).toContain("at most 1500 counters (metrics-counters-max)");
  });

  it.each([
    ["?prefix=%zz", "MALFORMED_MESSAGE"],
    ["?prefix=%ff", "INVALID_FIELD"],
    ["?prefix=a&prefix=b", "INVALID_FIELD"],
    [`?prefix=${"a".repeat(201)}`, "INVALID_FIELD"],
    ["?prefix=a%20b", "INVALID_FIELD"],
    ["?pre=a", "INVALID_FIELD"],
    ["?labels=Team", "INVALID_FIELD"],
    ["?labels=team,,env", "INVALID_FIELD"],
    ["?labels=a.b,a-b", "INVALID_FIELD"],
    [`?labels=${Array.from({ length: 33 }, (_, i) => `a${i}`).join(",")}`, "INVALID_FIELD"],
  ])("refuses %s with %s", async (query, reason) => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    const got = await get(opened, query);
    expect([got.status, reasonIn(got)]).toEqual([400, reason]);
  });

  it("is for GET and HEAD alone", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    expect(await send(opened.door.port, { method: "POST", path: "/metrics/counters" })).toMatchObject({
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
    expect(await send(opened.door.port, { method: "HEAD", path: "/metrics/counters" })).toMatchObject({
      status: 200,
      text: "",
    });
  });
});
