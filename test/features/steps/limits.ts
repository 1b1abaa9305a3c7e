/** Takes from limits, and what is given back. */
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import {
  RateLimitResponse_Code as Code,
  RateLimitService,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { LimitService, type LimitStatus } from "../../../gen/tally/v1/limit_service_pb.ts";
import { step } from "../steps.ts";
import type { World } from "../world.ts";
import { msIn, settingsIn } from "./counters.ts";

const { shouldRateLimit } = RateLimitService.method;
const { takeLimit, takeLimits, giveBackLimit } = LimitService.method;

step("I take {number} from {string}", async (world, amount, name) => {
  await world.attempt(takeLimit, { name, amount });
});

step(
  "I take {number} from {string} under the request id {string}",
  async (world, amount, name, requestId) => {
    await world.attempt(takeLimit, { name, amount, requestId });
  },
);

step("I take {number} from {string}, which may be missing, with", async (world, amount, name, table) => {
  await world.attempt(takeLimit, { name, amount, ifMissing: settingsIn(table) as object });
});

step("I ask for {number} from {string}", async (world, amount, name) => {
  await world.attempt(takeLimit, { name, amount, dryRun: true });
});

step("I take from {string} and {string}", async (world, a, b) => {
  await world.attempt(takeLimits, { takes: [{ name: a }, { name: b }] });
});

step("I give back {number} to {string}", async (world, amount, name) => {
  await world.attempt(giveBackLimit, { name, amount });
});

step("I give back {number} to {string} of the window from {string}", async (world, amount, name, start) => {
  await world.attempt(giveBackLimit, { name, amount, windowStart: timestampFromMs(Date.parse(start)) });
});

step("it is allowed, and {number} is/are left", (world, left) => {
  expect(statusOf(world)).toMatchObject({ allowed: true, remaining: left });
});

step("it is not allowed, and {number} is/are left", (world, left) => {
  expect(statusOf(world)).toMatchObject({ allowed: false, remaining: left });
});

step("it is allowed, though there was no room", (world) => {
  expect(statusOf(world)).toMatchObject({ allowed: true, over: true });
});

step("it is allowed", (world) => {
  expect(world.answerTo(takeLimits).allowed).toBe(true);
});

step("it is not allowed, for {string}", (world, name) => {
  const { allowed, statuses } = world.answerTo(takeLimits);
  expect(allowed).toBe(false);
  expect(statuses.filter((status) => !status.allowed).map((status) => status.name)).toEqual([name]);
});

step("it is allowed, as it was before", (world) => {
  expect(world.answerTo(takeLimit)).toMatchObject({ allowed: true, replayed: true });
});

step("there would be room in {string}", (world, length) => {
  expect(durationMs(statusOf(world).retryAfter!)).toBe(msIn(length));
});

step("waiting does not help", (world) => {
  expect(statusOf(world).retryAfter).toBeUndefined();
});

step(
  "Envoy asks in {string} about {number} request(s) with {string} {string}",
  async (world, domain, hits, key, value) => {
    const descriptors = [{ entries: [{ key, value }] }];
    await world.attempt(shouldRateLimit, { domain, descriptors, hitsAddend: Number(hits) });
  },
);

step("it is to let them through", (world) => {
  expect(world.answerTo(shouldRateLimit).overallCode).toBe(Code.OK);
});

step("it is to let them through, and {number} are left", (world, left) => {
  const { overallCode, statuses } = world.answerTo(shouldRateLimit);
  expect([overallCode, statuses[0]!.limitRemaining]).toEqual([Code.OK, Number(left)]);
});

step("it is to refuse them, and there are more in {string}", (world, length) => {
  const { overallCode, statuses } = world.answerTo(shouldRateLimit);
  const { durationUntilReset } = statuses[0]!;
  expect([overallCode, durationMs(durationUntilReset!)]).toEqual([Code.OVER_LIMIT, msIn(length)]);
});

step("{number} are given back, and {number} are left", (world, given, left) => {
  expect(world.answerTo(giveBackLimit)).toMatchObject({ givenBack: given, status: { remaining: left } });
});

/** What the last take was answered of its limit. */
function statusOf(world: World): LimitStatus {
  const { allowed, status } = world.answerTo(takeLimit);
  expect(status!.allowed).toBe(allowed);
  return status!;
}
