/** What a proxy needs that asks as Envoy does: by the metadata that it sends with each question. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
} from "../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { RateLimitUnit } from "../../gen/envoy/type/v3/ratelimit_unit_pb.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { toBatch } from "../../src/service/call.ts";
import { Policies } from "../../src/service/policies.ts";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import { create as made, single } from "../support/calls.ts";
import { type Opened, open, refusal } from "./door.ts";
import { accessBy, grantsOf } from "./granted.ts";

const PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

interface Asked {
  readonly value: string;
  readonly isNegativeHits?: boolean;
  readonly hitsAddend?: number;
  readonly limit?: { readonly requestsPerUnit: number; readonly unit: RateLimitUnit };
}

const charges: number[] = [];
/** Whoever calls has the grants that stand in their credential. */
const authorise: Authorise = ({ headerOf }) => {
  const texts = headerOf("authorization")?.slice("Bearer ".length).split(" ") ?? [];
  const charge = (operations: number) => void charges.push(operations);
  return { caller: "envoy", access: accessBy(grantsOf(...texts), { charge, amountMax: 4n }) };
};

/** "OK", "OVER_LIMIT", or why nobody could tell. */
async function ask({ client }: Opened, grants: string, ...asked: readonly Asked[]): Promise<string> {
  const descriptors = asked.map(({ value, hitsAddend, ...rest }) => ({
    entries: [{ key: "user", value }],
    ...(hitsAddend !== undefined && { hitsAddend: BigInt(hitsAddend) }),
    ...rest,
  }));
  const bytes = toBinary(
    RateLimitRequestSchema,
    create(RateLimitRequestSchema, { domain: "edge", descriptors }),
  );
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${grants}`);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const same = (each: Buffer) => each;
  client.grpc.makeUnaryRequest(PATH, same, same, Buffer.from(bytes), metadata, {}, (error, answer) =>
    error === null ? resolve(answer!) : reject(error),
  );
  const answered = promise.then((answer) => codeIn(answer));
  return answered.catch(async () => (await refusal(promise)).reason!);
}

function codeIn(answer: Buffer): string {
  return fromBinary(RateLimitResponseSchema, answer).overallCode === Code.OK ? "OK" : "OVER_LIMIT";
}

async function opened(): Promise<Opened> {
  const door = await open({ authorise });
  await door.store.commit(toBatch([single(made("edge/user/there", { value: 5n, max: 9n, min: 0n }))]));
  await new Policies(door.store.catalogue!).set("edge/user/", { ...DEFAULTS, max: 3n }, "enforce");
  return door;
}

describe("a descriptor", () => {
  const there = { value: "there" };
  const back = { ...there, isNegativeHits: true };
  const own = { value: "own", limit: { requestsPerUnit: 9, unit: RateLimitUnit.MINUTE } };
  it.for<[grants: string, asked: readonly Asked[], said: string]>([
    ["increment@edge/user/", [there], "OK"],
    ["decrement,read@edge/user/", [there], "PERMISSION_DENIED"],
    ["increment@edge/path/", [there], "PERMISSION_DENIED"],
    ["decrement@edge/user/", [back], "OK"],
    ["increment@edge/user/", [back], "PERMISSION_DENIED"],
    ["increment@edge/user/", [there, back], "PERMISSION_DENIED"],
    ["increment,decrement@edge/user/", [there, back], "OK"],
    ["increment@=edge/user/there", [there, { value: "other" }], "PERMISSION_DENIED"],
    // A policy would make it.
    ["increment@edge/user/", [{ value: "new" }], "COUNTER_NOT_FOUND"],
    ["increment,create@edge/user/", [{ value: "new" }], "OK"],
    // It brings the settings of a counter of its own.
    ["increment,create@edge/user/", [own], "PERMISSION_DENIED"],
    ["increment,create,manage@edge/user/", [own], "OK"],
    ["increment@edge/user/", [{ ...there, hitsAddend: 5 }], "PERMISSION_DENIED"], // Above the most at once.
    ["increment@edge/user/", [{ ...there, hitsAddend: 4 }], "OK"],
  ])("by %s: %j is %s", async ([grants, asked, said]) => {
    await using door = await opened();
    expect(await ask(door, grants, ...asked)).toBe(said);
    if (said === "OK") return;
    const { counters } = await door.store.list({ prefix: "", labels: {} }, "", 9);
    expect(counters.map(({ name, value }) => [name, value])).toEqual([["edge/user/there", 5n]]);
  });

  it("counts as an operation", async () => {
    await using door = await opened();
    charges.length = 0;
    await ask(door, "increment@", there);
    await ask(door, "increment@", there, there, there);
    expect(charges).toEqual([2]);
  });
});
