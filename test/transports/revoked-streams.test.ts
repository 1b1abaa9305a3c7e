/**
 * Goal: a stream ends when its caller is no longer who they were when it began, at every door, and says why.
 *
 * Method: streams that echo and then wait, by a caller whose permit a test revokes, or has expire.
 */
import { getEventListeners } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { Refusal } from "../../src/core/errors.ts";
import type { Permit } from "../../src/transports/calls/authorise.ts";
import { open } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { RepeatRequestSchema } from "./echo/echo_pb.ts";
import { send } from "./http.ts";
import { exchange, framed } from "./raw.ts";

const PATH = "/echo.EchoService/Repeat";
const WAITS = framed(
  toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text: "waits", times: 9n })),
);
const REPEATS = framed(toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text: "a", times: 2n })));
const TYPES = ["application/grpc", "application/connect+proto", "application/grpc-web+proto"];

/** A stream of such a caller; what it ends with. */
async function begun(type: string, permit: Permit, body = WAITS) {
  const seen = new Seen();
  const door = await open({ streamCalls: echoCalls(seen, () => permit) });
  const { port } = door.door;
  const said =
    type === "application/grpc"
      ? exchange(port, PATH, [body]).then(({ status, reason = "" }) => `${status} ${reason}`)
      : send(port, { method: "POST", path: PATH, headers: { "content-type": type }, body }).then(
          ({ text }) => text,
        );
  return { seen, door, said };
}

async function answered(seen: Seen, answers: number): Promise<void> {
  while (seen.answers < answers) await new Promise((resolve) => setImmediate(resolve));
}

const REVOKED: Refusal = { code: "CREDENTIAL_REVOKED" };
const DENIED: Refusal = { code: "PERMISSION_DENIED", expected: "it lost some" };

/** What each door says of a refusal. */
const SAYS: Readonly<Record<string, RegExp>> = {
  CREDENTIAL_REVOKED: /UNAUTHENTICATED CREDENTIAL_REVOKED|"code":"unauthenticated"|grpc-status: 16/,
  CREDENTIAL_EXPIRED: /UNAUTHENTICATED CREDENTIAL_EXPIRED|"code":"unauthenticated"|grpc-status: 16/,
  PERMISSION_DENIED: /PERMISSION_DENIED PERMISSION_DENIED|"code":"permission_denied"|grpc-status: 7/,
};

describe.each(TYPES)("a stream over %s", (type) => {
  it.each([REVOKED, DENIED])(
    "ends when its caller is judged again and is not let go on: $code",
    async (why) => {
      const revoking = new AbortController();
      const { seen, door, said } = await begun(type, { caller: "c", revoked: revoking.signal });
      await using _ = door;
      await answered(seen, 2);
      revoking.abort(why);
      expect(await said).toMatch(SAYS[why.code]!);
      await seen.over;
      expect(getEventListeners(revoking.signal, "abort")).toEqual([]);
    },
  );

  it("is not begun by one who was, meanwhile", async () => {
    const { seen, door, said } = await begun(type, { caller: "c", revoked: AbortSignal.abort(REVOKED) });
    await using _ = door;
    expect(await said).toMatch(SAYS.CREDENTIAL_REVOKED!);
    expect([seen.answers, seen.contexts]).toEqual([0, []]);
  });

  it("ends when the credential expires", async () => {
    const expireTimeMs = Date.UTC(2026, 0, 1) + 40; // By the clock of the doors.
    const { seen, door, said } = await begun(type, { caller: "c", expireTimeMs });
    await using _ = door;
    await answered(seen, 2);
    door.clock.advance(1_000);
    expect(await said).toMatch(SAYS.CREDENTIAL_EXPIRED!);
    await seen.over;
  });

  it("that ends by itself is not waited for by whoever may revoke it", async () => {
    const revoking = new AbortController();
    const permit = { caller: "c", revoked: revoking.signal, expireTimeMs: Date.UTC(2026, 1, 1) };
    const { door, said } = await begun(type, permit, REPEATS);
    await using _ = door;
    expect(await said).toMatch(/^OK |grpc-status: 0|\{\}$/);
    expect(getEventListeners(revoking.signal, "abort")).toEqual([]);
  });
});
