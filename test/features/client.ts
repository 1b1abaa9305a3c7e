import {
  create,
  type DescMethodUnary,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

/** The service said no. */
export class Refused extends Error {
  override readonly name = "Refused";
  /** The name of the gRPC status: "OUT_OF_RANGE". */
  readonly status: string;
  /** The reason in Tally's own ErrorInfo: "ABOVE_MAX". Undefined when the error carries none. */
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** When to try again, in milliseconds, if it says so. */
  readonly retryMs: number | undefined;

  constructor(error: ServiceError) {
    super(error.details);
    this.status = status[error.code];
    const [details] = error.metadata.get("grpc-status-details-bin");
    const all = details instanceof Buffer ? fromBinary(StatusSchema, details).details : [];
    const infos = all.map((any) => anyUnpack(any, ErrorInfoSchema));
    const info = infos.find((each) => each?.domain === "tally");
    this.reason = info?.reason;
    this.metadata = info?.metadata ?? {};
    const retry = all.map((any) => anyUnpack(any, RetryInfoSchema)).find((each) => each !== undefined);
    this.retryMs = retry && durationMs(retry.retryDelay!);
  }
}

/** A caller with a connection of its own: the client that any gRPC user would have. */
export class Caller {
  readonly #client: Client;

  constructor(port: number) {
    // A pool of its own, so that two callers do not share a connection.
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** @throws Refused */
  call<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M["input"]>,
  ): Promise<MessageShape<M["output"]>> {
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<M["output"]>>();
    this.#client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: Message) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes) as MessageShape<M["output"]>,
      create(method.input, request),
      { deadline: Date.now() + DEADLINE_MS },
      (error, answer) => {
        if (error !== null) reject(new Refused(error));
        else resolve(answer!);
      },
    );
    return promise;
  }

  close(): void {
    this.#client.close();
  }
}

const DEADLINE_MS = 60_000;
