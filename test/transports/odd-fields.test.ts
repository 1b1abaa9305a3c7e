/** Fields with octets that a client of gRPC does not send: never is a call taken as one that came without them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { IncrementRequestSchema, SetRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { credentialIn } from "../../src/guard/credentials.ts";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import { type Opened, open } from "./door.ts";
import { ENGINES } from "./engine.ts";
import { exchange, framed } from "./raw.ts";

/** Who shows nothing may do everything, as with `auth = "optional"`. */
const authorise: Authorise = (head) => {
  const credential = credentialIn(head);
  if (typeof credential === "object") return credential;
  return credential === undefined || credential === "good"
    ? { caller: credential ?? "" }
    : { code: "CREDENTIAL_INVALID" };
};

const INCREMENT = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" }));
const SET = toBinary(SetRequestSchema, create(SetRequestSchema, { name: "a", value: 9n }));

const RESET = "NGHTTP2_PROTOCOL_ERROR";

/** What a call is answered in one word. */
async function answer(
  { door }: Opened,
  headers: Record<string, string | string[]>,
  method = "Increment",
  request: Uint8Array = INCREMENT,
): Promise<string> {
  const path = `/tally.v1.CounterService/${method}`;
  try {
    const { status, reason } = await exchange(door.grpcPort!, path, [framed(request)], headers);
    return reason ?? `${status}`;
  } catch (error) {
    return /NGHTTP2_\w+/.exec(`${error}`)?.[0] ?? `${error}`; // Of a stream that was reset.
  }
}

/** What was counted; undefined: nothing. */
async function counted({ store }: Opened): Promise<bigint | undefined> {
  const [counter] = await store.get(["a"]);
  return typeof counter === "object" ? counter.value : undefined;
}

describe.each(ENGINES)("over gRPC (%s)", (http2Engine) => {
  const opened = () => open({ authorise, http2Engine });

  it.each([
    ["a blank behind it", "Bearer good "],
    ["a blank before it", " Bearer good"],
    ["a tab behind it", "Bearer good\t"],
    ["nothing but a blank", " "],
  ])("a call whose credential has %s is reset", async (_, authorization) => {
    await using there = await opened();
    expect(await answer(there, { authorization })).toBe(RESET);
    expect(await counted(there)).toBeUndefined();
    expect(await answer(there, { authorization: "Bearer good" })).toBe("OK");
  });

  it.each([
    ["a tab in it", "Bearer go\tod"],
    ["an octet above 0x7f", "Bearer good\xff"],
    ["another at its beginning", "\x80Bearer good"],
  ])("a call whose credential has %s is refused for it", async (_, authorization) => {
    await using there = await opened();
    expect(await answer(there, { authorization })).toBe("CREDENTIAL_INVALID");
    expect(await counted(there)).toBeUndefined();
  });

  it("two credentials are ambiguous, though one of them has an odd octet", async () => {
    await using there = await opened();
    for (const odd of ["Bearer x\xff", "Bearer\tx"]) {
      for (const authorization of [
        ["Bearer good", odd],
        [odd, "Bearer good"],
      ])
        expect(await answer(there, { authorization })).toBe("CREDENTIAL_AMBIGUOUS");
    }
    expect(await counted(there)).toBeUndefined();
  });

  it("a condition with an odd octet is refused, and does not let a counter be set", async () => {
    await using there = await opened();
    await answer(there, {});
    for (const match of ['"x\xff"', '"\t"']) {
      expect(await answer(there, { "if-match": match }, "Set", SET)).not.toBe("OK");
    }
    expect(await answer(there, { "if-match": '"x" ' }, "Set", SET)).toBe(RESET);
    expect(await counted(there)).toBe(1n);
  });

  it("a key with an odd octet is refused, and nothing is counted", async () => {
    await using there = await opened();
    expect(await answer(there, { "idempotency-key": "key\xff" })).toBe("INVALID_FIELD");
    expect(await answer(there, { "idempotency-key": "key " })).toBe(RESET);
    expect(await counted(there)).toBeUndefined();
  });

  it("a deadline with an odd octet is refused", async () => {
    await using there = await opened();
    expect(await answer(there, { "grpc-timeout": "1S\xff" })).toBe("INVALID_FIELD");
    expect(await answer(there, { "grpc-timeout": "1S " })).toBe(RESET);
    expect(await counted(there)).toBeUndefined();
  });

  it("a field that means nothing here may have any octet inside", async () => {
    await using there = await opened();
    expect(await answer(there, { "x-user": "J\xfcrgen\t2" })).toBe("OK");
  });
});
