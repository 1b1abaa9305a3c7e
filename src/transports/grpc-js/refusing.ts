import type { ServerHttp2Stream } from "node:http2";
import type { UnaryCall } from "../calls/call.ts";
import type { CallMeter } from "../calls/meter.ts";
import { madeOnce, pathOf } from "../grpc/call.ts";
import { respondWith, trailersOnly } from "./call.ts";
import type { Judged } from "./headers.ts";

/** Refuses a call that has only its headers, or says that it does not. */
export type RefuseAhead = (stream: ServerHttp2Stream, judged: Judged) => boolean;

/**
 * Refuses calls that cannot be answered in time before grpc-js makes anything for them. Where it lets others stand, it
 * has made as much for a call as for one that it answers: a refusal there costs two thirds of an answer, here less than
 * half of that.
 */
export function refusingAhead(calls: readonly UnaryCall[], meter: CallMeter): RefuseAhead {
  const byPath = new Map(calls.map((unary) => [pathOf(unary), unary]));
  const answer = madeOnce(trailersOnly);
  return (stream, judged) => {
    const unary = byPath.get(judged.shown[":path"]!);
    const refusal = unary?.refusalAhead();
    if (unary === undefined || refusal === undefined) return false;
    meter.refusedAhead(unary.method, "grpc", refusal, judged);
    respondWith(stream, answer(refusal));
    return true;
  };
}
