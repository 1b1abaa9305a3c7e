import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { OnBound } from "../../gen/tally/v1/counter_pb.ts";
import { open, refusal } from "./door.ts";

const SETTINGS = {
  initial: 1n,
  min: -9n,
  max: 9n,
  onBound: OnBound.CLAMP,
  monotonic: true,
  labels: { team: "a" },
  description: "old",
};

describe("UpdateCounter", () => {
  it("changes what is set, when there is no mask, and answers the counter", async () => {
    await using opened = await open();
    const { client } = opened;
    const { counter: before } = await client.createCounter({ name: "a", value: 5n, ...SETTINGS });
    for (const [name, value] of Object.entries({
      initial: 0n, // A default is a value like any other.
      min: 0n,
      max: 2n ** 63n - 1n,
      onBound: OnBound.REJECT,
      monotonic: false,
      labels: { x: "y" },
      description: "",
    })) {
      const { counter: last } = await client.getCounter({ name: "a" });
      const { counter, replayed } = await client.updateCounter({ name: "a", [name]: value });
      const settingsRevision = last!.settingsRevision + 1n;
      const settingsEtag = `${before!.uid}.s${settingsRevision}`;
      expect(counter).toEqual({ ...last, [name]: value, settingsRevision, settingsEtag });
      expect(counter).toMatchObject({ etag: before!.etag, value: 5n });
      expect(replayed).toBe(false);
      expect(await client.getCounter({ name: "a" })).toMatchObject({ counter });
    }
  });

  it("takes what is named and not set back to its default, and ignores what is set and not named", async () => {
    await using opened = await open();
    const { client } = opened;
    const defaults = {
      initial: 0n,
      min: undefined,
      max: undefined,
      onBound: OnBound.REJECT,
      monotonic: false,
      labels: {},
      description: "",
    };
    const paths = ["initial", "min", "max", "on_bound", "monotonic", "labels", "description"];
    for (const [i, [key, value]] of Object.entries(defaults).entries()) {
      const { counter: before } = await client.createCounter({ name: `${i}`, value: 5n, ...SETTINGS });
      const others = { ...SETTINGS, initial: 2n, min: 1n, max: 8n, description: "ignored", [key]: undefined };
      const named = { name: `${i}`, updateMask: { paths: [paths[i]!, paths[i]!] }, ...others };
      const { labels = {} } = others as { labels?: Record<string, string> };
      const { counter } = await client.updateCounter({ ...named, labels });
      expect(counter?.[key as keyof typeof defaults]).toEqual(value);
      const kept = Object.fromEntries(Object.entries(SETTINGS).filter(([other]) => other !== key));
      expect(counter).toMatchObject({ ...kept, value: 5n, uid: before!.uid });
    }
    const empty = { name: "0", updateMask: {}, max: 7n };
    expect((await client.updateCounter(empty)).counter).toMatchObject({ max: 7n, min: -9n });
    const unspecified = { name: "0", onBound: OnBound.UNSPECIFIED };
    expect((await client.updateCounter(unspecified)).counter).toMatchObject({ onBound: OnBound.REJECT });
  });

  it("a min and a max upside down are only judged when both are to be set", async () => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({ name: "a" });
    const request = { name: "a", min: 2n, max: 1n, updateMask: { paths: ["max"] } };
    expect((await client.updateCounter(request)).counter).toMatchObject({ max: 1n });
  });

  it("a replay answers the counter as it was then", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    await client.createCounter({ name: "a", value: 5n, labels: { team: "a" } });
    clock.advance(1_500);
    await client.increment({ name: "a" });
    clock.advance(1_500);
    const request = { name: "a", max: 9n, labels: { team: "b" }, note: "why", requestId: "r" };
    const first = await client.updateCounter(request);
    await client.increment({ name: "a" });
    await client.updateCounter({ name: "a", max: 8n });
    expect(await client.updateCounter(request)).toEqual({ ...first, replayed: true });
    const other = { ...request, note: "" };
    expect(await refusal(client.updateCounter(other))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
      metadata: { field: "note" },
    });
  });
});

describe("DeleteCounter", () => {
  it("answers what the counter was, replays that, and the name is free", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    const { counter } = await client.createCounter({ name: "a", value: 5n });
    await client.increment({ name: "a" });
    clock.advance(1_500);
    const request = { name: "a", requestId: "r", note: "why", keepHistory: true };
    const first = await client.deleteCounter(request);
    expect(first).toMatchObject({
      name: "a",
      uid: counter!.uid,
      value: 6n,
      revision: 2n,
      time: timestampFromMs(clock.now()),
      replayed: false,
    });
    expect(await refusal(client.getCounter({ name: "a" }))).toMatchObject({ reason: "COUNTER_NOT_FOUND" });
    clock.advance(1_500);
    expect(await client.deleteCounter(request)).toEqual({ ...first, replayed: true });
    const { outcome } = await client.increment({ name: "a" });
    expect(outcome).toMatchObject({ value: 1n, revision: 1n });
    expect(outcome!.etag).not.toBe(counter!.etag);
    expect(await client.deleteCounter(request)).toEqual({ ...first, replayed: true });
    const late = client.deleteCounter({ name: "a", etag: counter!.etag });
    expect(await refusal(late)).toMatchObject({
      reason: "ETAG_MISMATCH",
      metadata: { name: "a", etag: outcome!.etag },
    });
    expect(await client.deleteCounter({ name: "a", etag: outcome!.etag })).toMatchObject({ value: 1n });
  });

  it("callers at once: each deletion ends one counter, and what comes after makes another", async () => {
    await using opened = await open();
    const { client } = opened;
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const { outcome } = await client.increment({ name: "a" });
        const deleted = await client.deleteCounter({ name: "a" }).catch(() => undefined);
        return { outcome, deleted };
      }),
    );
    const ends = answers.flatMap(({ deleted }) => (deleted === undefined ? [] : [deleted]));
    expect(new Set(ends.map(({ uid }) => uid)).size).toBe(ends.length);
    const left = await client.getCounter({ name: "a" }).catch(() => undefined);
    const counted = ends.reduce((sum, { value }) => sum + value, left?.counter?.value ?? 0n);
    expect(counted).toBe(30n);
  });
});
