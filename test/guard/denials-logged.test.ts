/** What the log says of calls that were denied: each while they are few, how many while they are many, and no secret. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Permission } from "../../src/core/permissions.ts";
import { revokeKey } from "../../src/guard/keys.ts";
import type { HandClock } from "../support/clock.ts";
import { bearer, guarded, ok } from "./guarded.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

function pass(clock: HandClock, ms: number): void {
  clock.advance(ms);
  vi.advanceTimersByTime(ms);
}

it("says why, of which call, by which door, from where, whose it was, and in which trace", async () => {
  using here = await guarded();
  const { key, keyId } = await here.principal("shop", "read@shop.");
  const about = { rpc: "Increment", door: "http", address: "192.0.2.1" };
  await here.ask();
  await here.ask(bearer("wrong"), { overGrpc: true });
  const { access } = await here.permit(bearer(key));
  access!.denial(Permission.INCREMENT, { name: "shop.secret-name" });
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  await here.ask({ ...bearer(key), "x-api-key": key, traceparent: `00-${trace}-00f067aa0ba902b7-00` });
  ok(await revokeKey(here.changes, keyId));
  await here.ask(bearer(key));
  expect(here.denied).toEqual([
    { ...about, reason: "CREDENTIAL_MISSING", by: "" },
    { ...about, reason: "CREDENTIAL_INVALID", by: "", door: "grpc" },
    { ...about, reason: "PERMISSION_DENIED", by: "shop", key_id: keyId, permission: "increment" },
    { ...about, reason: "CREDENTIAL_AMBIGUOUS", by: "", trace_id: trace },
    { ...about, reason: "CREDENTIAL_REVOKED", by: "shop", key_id: keyId },
  ]);
});

it("is ten lines of a burst of 1,000, and the next second says how many were left out", async () => {
  using here = await guarded();
  for (let n = 0; n < 1_000; n++) await here.ask(bearer(`wrong-${n}`));
  expect(here.denied).toHaveLength(10);
  here.clock.advance(999);
  await here.ask();
  expect(here.denied, "the second is not over").toHaveLength(10);
  here.clock.advance(1);
  await here.ask();
  expect(here.denied.slice(10)).toEqual([
    expect.objectContaining({ reason: "CREDENTIAL_MISSING", suppressed: 991 }),
  ]);
  pass(here.clock, 5_000);
  expect(here.denied, "all were told of").toHaveLength(11);
  await here.ask();
  expect(here.denied[11]).not.toHaveProperty("suppressed");
});

it("says how many were left out although nobody comes after them", async () => {
  using here = await guarded();
  for (let n = 0; n < 1_000; n++) await here.ask();
  pass(here.clock, 999);
  expect(here.denied).toHaveLength(10);
  pass(here.clock, 1);
  expect(here.denied.slice(10)).toEqual([{ suppressed: 990 }]);
  pass(here.clock, 5_000);
  expect(here.denied).toHaveLength(11);
});

it("says at the end how many were left out, and that once", async () => {
  const here = await guarded();
  for (let n = 0; n < 12; n++) await here.ask();
  await here.guard.close();
  await here.guard.close();
  pass(here.clock, 5_000);
  expect(here.denied.slice(10)).toEqual([{ suppressed: 2 }]);
});

it("has no secret, no name and no prefix in it, whatever was sent", async () => {
  using here = await guarded();
  const { key, keyId } = await here.principal("shop", "read@shop.");
  const secret = key.slice(19, 62);
  const planted = "planted-0123456789";
  const { access } = await here.permit(bearer(key));
  access!.denial(Permission.SET, { name: planted });
  access!.denial(Permission.SET, { prefix: `${planted}.` });
  await here.ask(bearer(planted));
  await here.ask(bearer(`${key.slice(0, -1)}!`));
  await here.ask(bearer(`a.${planted}.c`));
  await here.ask({ "x-api-key": `tally_${keyId}_${planted}` });
  await here.ask({ authorization: `Basic ${planted}` });
  await here.ask({ authorization: `Bearer ${planted} ${secret}` });
  const text = JSON.stringify([here.told, here.denied]);
  expect(here.denied).toHaveLength(8);
  for (const each of [planted, secret]) expect(text).not.toContain(each);
});
