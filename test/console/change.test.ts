/** A change is sent until it is answered, always under the id that it had at first, and never twice under two. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ErrorInfoSchema } from "../../gen/browser/google/rpc/error_details_pb.ts";
import { Changes, type Sending } from "../../src/console/change.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const LOST = new ConnectError("Failed to fetch", Code.Unknown);
const refusal = (reason: string, code = Code.OutOfRange) => {
  const error = new ConnectError(`it is ${reason}`, code);
  error.details = [{ desc: ErrorInfoSchema, value: { domain: "tally", reason } }];
  return error;
};

/** Changes whose calls end as scripted, one after another; "hangs" waits until it is stopped. */
function scripted(...ends: ("answered" | "hangs" | ConnectError)[]) {
  let ids = 0;
  const sent: string[] = [];
  const changes = new Changes({
    newRequestId: () => `id-${++ids}`,
    attemptMs: 5_000,
    pauseMs: { first: 500, last: 2_000 },
  });
  const send = async ({ requestId, signal }: Sending) => {
    sent.push(requestId);
    const end = ends.shift()!;
    if (end === "hangs") {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    if (end instanceof ConnectError) throw end;
    return "done";
  };
  return { changes, sent, make: () => changes.make(send) };
}

describe("a change", () => {
  it("whose answer is lost is sent again under the same id, with longer and longer pauses", async () => {
    const { changes, sent, make } = scripted(LOST, LOST, LOST, LOST, "answered");
    const made = make();
    for (const [pause, times] of [
      [500, 2],
      [1_000, 3],
      [2_000, 4],
      [2_000, 5],
    ] as const) {
      await vi.advanceTimersByTimeAsync(pause - 1);
      expect(sent).toHaveLength(times - 1);
      expect(changes.state.value).toMatchObject({ kind: "resent" });
      await vi.advanceTimersByTimeAsync(1);
      expect(sent).toHaveLength(times);
    }
    expect(await made).toBe("done");
    expect(new Set(sent)).toEqual(new Set(["id-1"]));
    expect(changes.state.value).toEqual({ kind: "idle" });
  });

  it.each(["OUTCOME_UNKNOWN", "DRAINING", "STORE_UNAVAILABLE", "QUEUE_FULL"])(
    "is sent again after %s",
    async (reason) => {
      const { sent, make } = scripted(refusal(reason, Code.Unavailable), "answered");
      const made = make();
      await vi.advanceTimersByTimeAsync(500);
      expect(await made).toBe("done");
      expect(sent).toEqual(["id-1", "id-1"]);
    },
  );

  it.each([
    "ABOVE_MAX",
    "INVALID_FIELD",
    "ETAG_MISMATCH",
    "REQUEST_ID_REUSED",
    "REQUEST_IDS_FULL",
    "INTERNAL_ERROR",
  ])("that is refused with %s is not sent again, and the person is told", async (reason) => {
    const { changes, sent, make } = scripted(refusal(reason));
    expect(await make()).toBeUndefined();
    expect(sent).toHaveLength(1);
    expect(changes.state.value).toMatchObject({
      kind: "failed",
      problem: { reason, message: `it is ${reason}`, notApplied: true },
    });
  });

  it("waits for the one before it, and has an id of its own", async () => {
    const { sent, make } = scripted(LOST, "answered", "answered");
    const both = Promise.all([make(), make()]);
    await vi.advanceTimersByTimeAsync(499);
    expect(sent).toEqual(["id-1"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await both).toEqual(["done", "done"]);
    expect(sent).toEqual(["id-1", "id-1", "id-2"]);
  });

  it("that is stopped after an answer was lost may have been made, and is not sent again", async () => {
    const { changes, sent, make } = scripted(LOST, "hangs");
    const made = make();
    const next = make();
    await vi.advanceTimersByTimeAsync(500);
    changes.stop();
    expect([await made, await next]).toEqual([undefined, undefined]);
    expect(sent).toEqual(["id-1", "id-1"]); // The one that waited is forgotten.
    expect(changes.state.value).toMatchObject({
      kind: "failed",
      problem: { reason: "OUTCOME_UNKNOWN", notApplied: false },
    });
  });

  it("that was certainly not made says so when it is stopped", async () => {
    const { changes, make } = scripted(
      refusal("DRAINING", Code.Unavailable),
      refusal("DRAINING", Code.Unavailable),
    );
    const made = make();
    await vi.advanceTimersByTimeAsync(100);
    changes.stop();
    expect(await made).toBeUndefined();
    expect(changes.state.value).toMatchObject({
      kind: "failed",
      problem: { reason: "DRAINING", notApplied: true },
    });
  });

  it("is given up after half an hour: the server remembers its id for an hour at least", async () => {
    const { changes, sent, make } = scripted(...Array.from({ length: 2_000 }, () => LOST));
    const made = make();
    await vi.advanceTimersByTimeAsync(30 * 60_000 + 2_000);
    expect(await made).toBeUndefined();
    expect(changes.state.value).toMatchObject({ kind: "failed", problem: { reason: "OUTCOME_UNKNOWN" } });
    const then = sent.length;
    await vi.advanceTimersByTimeAsync(60 * 60_000);
    expect(sent).toHaveLength(then);
  });

  it.each([
    ["PERMISSION_DENIED", Code.PermissionDenied, "OUTCOME_UNKNOWN"], // Judged before the replay.
    ["CREDENTIAL_REVOKED", Code.Unauthenticated, "OUTCOME_UNKNOWN"],
    ["ABOVE_MAX", Code.OutOfRange, "ABOVE_MAX"],
  ])(
    "whose answer was lost, and that is then refused for %s, is told as such",
    async (reason, code, told) => {
      const { changes, make } = scripted(LOST, refusal(reason, code));
      const made = make();
      await vi.advanceTimersByTimeAsync(500);
      expect(await made).toBeUndefined();
      expect(changes.state.value).toMatchObject({ kind: "failed", problem: { reason: told } });
      const once = scripted(refusal(reason, code));
      await once.make();
      expect(once.changes.state.value).toMatchObject({ problem: { reason, notApplied: true } });
    },
  );

  it("after one that failed is made, and the problem goes", async () => {
    const { changes, make } = scripted(refusal("ABOVE_MAX"), "answered");
    await make();
    expect(await make()).toBe("done");
    expect(changes.state.value).toEqual({ kind: "idle" });
  });
});

it("an error without Tally's own reason says that nobody knows", async () => {
  const error = new ConnectError("bad gateway", Code.Unimplemented);
  error.details = [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { domain: "proxy", reason: "ABOVE_MAX" }) },
  ];
  const { changes, make } = scripted(error);
  await make();
  expect(changes.state.value).toMatchObject({ problem: { reason: "UNIMPLEMENTED", notApplied: false } });
});
