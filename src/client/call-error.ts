import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

/** The name of a gRPC status. */
export type StatusName = keyof typeof status;

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
  /** True: a change may or may not have been made. False: it certainly was not. */
  readonly unknown: boolean;
  /** The server that was called, and the request id that makes it safe to ask again. */
  readonly server: string;
  readonly requestId: string | undefined;

  private constructor(fields: Fields, options: ErrorOptions) {
    super(fields.message, options);
    ({
      status: this.status,
      reason: this.reason,
      metadata: this.metadata,
      retryAfterMs: this.retryAfterMs,
      sent: this.sent,
      unknown: this.unknown,
      server: this.server,
      requestId: this.requestId,
    } = fields);
  }

  /** What grpc-js reports of one attempt. */
  static from(error: ServiceError): CallError {
    const [bytes] = error.metadata.get("grpc-status-details-bin");
    const details = bytes instanceof Buffer ? fromBinary(StatusSchema, bytes).details : [];
    const infos = details.map((any) => anyUnpack(any, ErrorInfoSchema));
    const info = infos.find((found) => found?.domain === "tally");
    const [retry] = details.flatMap((any) => anyUnpack(any, RetryInfoSchema)?.retryDelay ?? []);
    const name = status[error.code] as StatusName;
    const sent = info !== undefined || !NEVER_SENT.test(error.details);
    const fields = {
      message: error.details,
      status: name,
      reason: info?.reason,
      metadata: info?.metadata ?? {},
      retryAfterMs: retry && Number(retry.seconds) * 1000 + retry.nanos / 1e6,
      sent,
      unknown: info === undefined ? sent && name !== "UNIMPLEMENTED" : info.reason === "OUTCOME_UNKNOWN",
      server: "",
      requestId: undefined,
    };
    return new CallError(fields, { cause: error });
  }

  /** The same with what the call as a whole knows. */
  about(call: Pick<Fields, "server" | "requestId" | "unknown">): CallError {
    return new CallError({ ...this, message: this.message, ...call }, { cause: this.cause });
  }
}

interface Fields extends Omit<CallError, "name" | "about" | "stack" | "cause"> {}

/** How grpc-js says that a call never left: no address, nobody there, or the deadline passed before there was. */
const NEVER_SENT =
  /^(No connection established|Name resolution failed|Deadline exceeded.*(name resolution|LB pick)$)/;
