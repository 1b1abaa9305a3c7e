import { hostname } from "node:os";
import { type Attributes, type SpanStatus, SpanStatusCode } from "@opentelemetry/api";
import { CODES, type Door } from "../series.ts";
import type { Rpc, TracedCall, TracedCommit } from "../tracing.ts";

/** Where calls come in. */
export interface ServedAt {
  readonly host: string;
  readonly port: number;
}

/** What a call is by OpenTelemetry's conventions for RPC: its service and method, as they are called by gRPC. */
export function methodOf({ name, parent }: Rpc): string {
  return `${parent.typeName}/${name}`;
}

/** What is known of a call at its beginning. No counter, no caller and no address of one is in it. */
export function attributesOf(method: Rpc, door: Door, at: ServedAt | undefined): Attributes {
  const system = SYSTEMS[door];
  return {
    "rpc.method": methodOf(method),
    ...(system !== undefined && { "rpc.system.name": system }),
    ...(at !== undefined && { "server.address": ANY.has(at.host) ? HOST : at.host, "server.port": at.port }),
    "tally.door": door,
  };
}

/** Who listens on all addresses of a machine is known by the machine. */
const ANY: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
const HOST = hostname();

/** The others have no name that is agreed on. */
const SYSTEMS: Readonly<Partial<Record<Door, string>>> = {
  grpc: "grpc",
  grpc_web: "grpc",
  connect: "connectrpc",
};

/** What is known of it at its end. */
export function outcomeOf({ code, reason, parts }: TracedCall): Attributes {
  return {
    "rpc.response.status_code": CODES[code]!,
    ...(isFault(code) && { "error.type": CODES[code]! }),
    ...(reason !== undefined && { "tally.reason": reason }),
    ...(parts.isReplayed && { "tally.replayed": true }),
    ...(parts.slices && {
      "tally.slices": parts.slices.count,
      "tally.slices.queue_ms": parts.slices.queueMs,
      "tally.slices.commit_ms": parts.slices.commitMs,
    }),
  };
}

/** What a caller has asked for wrongly is no error of the server's, as the conventions for gRPC have it. */
export function statusOf({ code, reason }: TracedCall): SpanStatus {
  return isFault(code)
    ? { code: SpanStatusCode.ERROR, ...(reason !== undefined && { message: reason }) }
    : { code: SpanStatusCode.UNSET };
}

/** What is known of a commit, its parts in milliseconds by their names in the log. */
export function commitAttributes({ calls, operations, parts, failed }: TracedCommit): Attributes {
  const times = Object.entries(parts).map(([name, ms]) => [`tally.commit.${name}`, ms]);
  return {
    "tally.commit.calls": calls,
    "tally.commit.operations": operations,
    ...Object.fromEntries(times),
    ...(failed !== undefined && { "error.type": failed }),
  };
}

function isFault(code: number): boolean {
  return FAULTS.has(CODES[code]!);
}

const FAULTS: ReadonlySet<string> = new Set([
  ...["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"],
]);
