import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code } from "../../gen/google/rpc/code_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Failed } from "./connection.ts";

/** The name of a gRPC status. */
export type StatusName = keyof typeof Code;

/** A call that got no answer, or a refusal. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly status: StatusName;
  /** Tally's own reason, a name of tally.v1.ErrorReason. Undefined when the error is not from Tally. */
  readonly reason: string | undefined;
  /** The names and numbers of the message, by the names that ErrorReason gives them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When the server wants to be asked again, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Whether the request may have reached a server. */
  readonly sent: boolean;
  /** Whether it was not sent because the server's certificate was refused; trying again does not help. */
  readonly untrusted: boolean;
  /** True: a change may or may not have been made. False: it certainly was not. */
  readonly unknown: boolean;
  /** The server that was called, and the request id that makes it safe to ask again. */
  readonly server: string;
  readonly requestId: string | undefined;
  /** Whether it was called without a key. */
  readonly withoutKey: boolean;
  /** The prefix that was asked about; undefined when it was none. */
  readonly prefix: string | undefined;

  private constructor(fields: Fields) {
    super(fields.message);
    ({
      status: this.status,
      reason: this.reason,
      metadata: this.metadata,
      retryAfterMs: this.retryAfterMs,
      sent: this.sent,
      untrusted: this.untrusted,
      unknown: this.unknown,
      server: this.server,
      requestId: this.requestId,
      withoutKey: this.withoutKey,
      prefix: this.prefix,
    } = fields);
  }

  /** What became of one attempt. */
  static from({ code, message, details, sent, untrusted = false }: Failed): CallError {
    const any = details === undefined ? [] : fromBinary(StatusSchema, details).details;
    const infos = any.map((detail) => anyUnpack(detail, ErrorInfoSchema));
    const info = infos.find((found) => found?.domain === "tally");
    const [retry] = any.flatMap((detail) => anyUnpack(detail, RetryInfoSchema)?.retryDelay ?? []);
    return new CallError({
      message,
      status: NAMES[code] ?? "UNKNOWN",
      reason: info?.reason,
      metadata: info?.metadata ?? {},
      retryAfterMs: retry && Number(retry.seconds) * 1000 + retry.nanos / 1e6,
      sent,
      untrusted,
      unknown: info === undefined ? sent && code !== Code.UNIMPLEMENTED : info.reason === "OUTCOME_UNKNOWN",
      server: "",
      requestId: undefined,
      withoutKey: false,
      prefix: undefined,
    });
  }

  /** The same with what the call as a whole knows. */
  about(call: Pick<Fields, "server" | "requestId" | "unknown" | "withoutKey" | "prefix">): CallError {
    return new CallError({ ...this, message: this.message, ...call });
  }
}

interface Fields extends Omit<CallError, "name" | "about" | "stack" | "cause"> {}

const NAMES: Readonly<Record<number, StatusName>> = Object.fromEntries(
  Object.entries(Code).map(([name, code]) => [code, name as StatusName]),
);
