/**
 * Goal: the order in which a call is judged is the same at every door: what it is, whose page sends it, who calls, its
 * headers, its body, what the caller may, replay, state.
 *
 * Method: a call with two faults, for each two of a list; at every door the one is told that comes first in it.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Authorise } from "../../../src/transports/calls/authorise.ts";
import { type Opened, open } from "../../transports/door.ts";
import { doorsOf } from "./with-headers.ts";

/** Whoever says who they are may do all to what begins with "shop.". */
const authorise: Authorise = ({ headerOf }) => {
  const caller = headerOf("x-caller");
  if (caller === undefined) return { code: "CREDENTIAL_MISSING" };
  return {
    caller,
    access: {
      everywhere: 0,
      allows: (_, target) => ("name" in target ? target.name : target.prefix).startsWith("shop."),
      denial(needed, target) {
        return this.allows(needed, target) ? undefined : { code: "PERMISSION_DENIED", expected: "not there" };
      },
      charge: () => undefined,
    },
  };
};

/** Each fault by what is said of it, in the order of judgement. */
const FAULTS = [
  "INVALID_FIELD x-http-method-override",
  "ORIGIN_NOT_ALLOWED",
  "CREDENTIAL_MISSING",
  "INVALID_FIELD grpc-timeout",
  "INVALID_FIELD If-None-Match",
  "INVALID_FIELD amount",
  "PERMISSION_DENIED",
  "REQUEST_ID_REUSED amount",
  "COUNTER_NOT_FOUND",
] as const;
type Fault = (typeof FAULTS)[number];

/** A call that has these faults and no other. */
function faulty(faults: readonly Fault[]): { request: JsonObject; headers: Record<string, string> } {
  const has = (fault: Fault) => faults.includes(fault);
  const isGone = has("REQUEST_ID_REUSED amount") || has("COUNTER_NOT_FOUND");
  return {
    headers: {
      ...(has("INVALID_FIELD x-http-method-override") && { "x-http-method-override": "GET" }),
      ...(has("ORIGIN_NOT_ALLOWED") && { origin: "https://evil.example" }),
      ...(!has("CREDENTIAL_MISSING") && { "x-caller": "c" }),
      ...(has("INVALID_FIELD grpc-timeout") && { "grpc-timeout": "soon" }),
      ...(has("INVALID_FIELD If-None-Match") && { "if-none-match": '"x"' }),
    },
    request: {
      name: `${has("PERMISSION_DENIED") ? "else" : "shop"}.${isGone ? "gone" : "there"}`,
      amount: has("INVALID_FIELD amount") ? "0" : "2",
      ...(has("REQUEST_ID_REUSED amount") && { requestId: "used" }),
      ...(has("COUNTER_NOT_FOUND") && { mustExist: true }),
    },
  };
}

const PAIRS = FAULTS.flatMap((first, i) => [
  [first] as const,
  ...FAULTS.slice(i + 1).map((second) => [first, second] as const),
]);

describe("of two faults that one is told which comes first", () => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await open({ authorise });
    const door = doorsOf("Increment").find(({ name }) => name === "Connect, JSON")!;
    const by = { "x-caller": "c" };
    for (const [method, request] of [
      ["Increment", { name: "shop.there" }],
      ["Increment", { name: "shop.gone", amount: "1", requestId: "used" }],
      ["DeleteCounter", { name: "shop.gone" }],
    ] as const)
      expect((await door.call(opened, method, request, by)).said).toBe("OK");
  });
  afterAll(() => opened[Symbol.asyncDispose]());

  it.for(PAIRS.map((faults) => ({ faults })))("$faults", async ({ faults }) => {
    const { request, headers } = faulty(faults);
    for (const door of doorsOf("Increment")) {
      // grpc-js's client makes its own deadline of it; a page sends no gRPC.
      const sent = door.name === "gRPC" ? faults.filter((each) => !NOT_BY_GRPC.has(each)) : faults;
      if (sent.length === 0) continue;
      const { said } = await door.call(opened, "Increment", request, headers);
      expect(said, door.name).toBe(sent[0]);
    }
  });

  it("a call without one is answered", async () => {
    const { request, headers } = faulty([]);
    for (const door of doorsOf("Increment"))
      expect((await door.call(opened, "Increment", request, headers)).said, door.name).toBe("OK");
  });
});

const NOT_BY_GRPC: ReadonlySet<Fault> = new Set<Fault>(["ORIGIN_NOT_ALLOWED"]);
