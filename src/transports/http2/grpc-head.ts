import { Code } from "../../../gen/google/rpc/code_pb.ts";
import { type HeaderBlock, headBlock } from "../../http2/block.ts";
import { countIn } from "../../http2/fields.ts";
import type { RequestHead } from "../../http2/head.ts";
import type { HeaderOf, KeptOfHeaders } from "../calls/authorise.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { StreamCall } from "../calls/stream.ts";
import { pathOf } from "../grpc/call.ts";
import { type GrpcTerms, isGrpcType, termsOf } from "../grpc/protocol.ts";
import { otherMethod } from "../http/header-fields.ts";
import { CONTENT_TYPE, trailersOnly } from "./grpc-answer.ts";

/** A call of gRPC as its headers tell it: the same for all that sent the same headers on a connection. */
export interface CallHead extends GrpcTerms {
  /** What is called; undefined where the headers alone are answered. */
  readonly called: CalledUnary | CalledStream | undefined;
  /** The answer to the headers alone. */
  readonly refused: HeaderBlock | undefined;
  readonly headerOf: HeaderOf;
  countOf(name: string): number;
  readonly kept: KeptOfHeaders;
  /** How messages are compressed that say they are. */
  readonly encoding: string;
}

interface CalledUnary {
  readonly kind: "unary";
  readonly call: UnaryCall;
}

interface CalledStream {
  readonly kind: "stream";
  readonly call: StreamCall;
}

/** What is answered over gRPC. */
export interface GrpcServed {
  readonly calls: readonly UnaryCall[];
  readonly streamCalls: readonly StreamCall[];
}

/**
 * Tells calls of gRPC by their headers.
 *
 * @returns  what reads them; undefined for a request that is none of gRPC, whatever its path
 */
export function callHeads({ calls, streamCalls }: GrpcServed): (head: RequestHead) => CallHead | undefined {
  const byPath = new Map<string, CalledUnary | CalledStream>([
    ...calls.map((call) => [pathOf(call), { kind: "unary", call }] as const),
    ...streamCalls.map((call) => [pathOf(call), { kind: "stream", call }] as const),
  ]);
  return (head) => {
    const types = fieldsOf(head, "content-type");
    if (types.length !== 1 || !isGrpcType(types[0]!) || head.method !== "POST") return undefined;
    const headerOf: HeaderOf = (name) => head.field(name);
    const countOf = (name: string) => countIn(head.fields, name);
    const refusal = otherMethod("POST", headerOf);
    const called = byPath.get(head.path);
    const whyUnknown =
      byPath.size > 0 ? `The server does not implement the method ${head.path.slice(0, 200)}` : ELSEWHERE;
    return {
      called,
      refused:
        refusal !== undefined
          ? trailersOnly(refusal)
          : called === undefined
            ? unimplemented(whyUnknown)
            : undefined,
      headerOf,
      countOf,
      kept: { headerOf, countOf },
      ...termsOf(headerOf),
      encoding: fieldsOf(head, "grpc-encoding")[0] ?? "identity",
    };
  };
}

function fieldsOf({ fields }: RequestHead, name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === name);
}

const ELSEWHERE = "gRPC has a port of its own here, and it is not this one (grpc-listen).";

/** As gRPC asks for: no method of ours is meant, so that there is nothing to say of one. */
function unimplemented(why: string): HeaderBlock {
  return headBlock(200, [
    ...CONTENT_TYPE,
    "grpc-status",
    `${Code.UNIMPLEMENTED}`,
    "grpc-message",
    encodeURI(why),
  ]);
}
