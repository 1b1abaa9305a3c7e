import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

/** What a scripted server says to one attempt. */
export type Reply<M extends DescMethodUnary> =
  | { readonly answer: MessageInitShape<M["output"]> }
  | {
      readonly status: keyof typeof grpc.status;
      readonly reason?: string;
      readonly metadata?: Readonly<Record<string, string>>;
      readonly retryMs?: number;
    }
  | "hangs";

/**
 * A gRPC server that answers the attempts at one method as told, in order, and keeps what it was asked, and by whom. The
 * last reply is given again and again.
 */
export async function scripted<M extends DescMethodUnary>(
  method: M,
  replies: readonly Reply<M>[],
): Promise<{ server: string; asked: MessageShape<M["input"]>[]; credentials: string[] }> {
  const asked: MessageShape<M["input"]>[] = [];
  const credentials: string[] = [];
  const server = new grpc.Server();
  const definition = {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: MessageShape<M["input"]>) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes) as MessageShape<M["input"]>,
    responseSerialize: (message: MessageShape<M["output"]>) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
  } as const;
  const handle: grpc.handleUnaryCall<MessageShape<M["input"]>, MessageShape<M["output"]>> = (call, done) => {
    const reply = replies[Math.min(asked.length, replies.length - 1)]!;
    asked.push(call.request);
    credentials.push(call.metadata.get("authorization").join(" and "));
    if (reply === "hangs") return;
    if ("answer" in reply) done(null, create(method.output, reply.answer) as MessageShape<M["output"]>);
    else done(failure(reply));
  };
  server.addService({ only: definition } as grpc.ServiceDefinition, { only: handle });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  onTestFinished(() => server.forceShutdown());
  return { server: `127.0.0.1:${port}`, asked, credentials };
}

function failure({
  status,
  reason,
  metadata: more,
  retryMs,
}: Exclude<Reply<DescMethodUnary>, string | { answer: unknown }>) {
  const metadata = new grpc.Metadata();
  const details = [];
  if (reason !== undefined) {
    const info = create(ErrorInfoSchema, { domain: "tally", reason, metadata: { name: "visits", ...more } });
    details.push(anyPack(ErrorInfoSchema, info));
  }
  if (retryMs !== undefined) {
    const retryDelay = { seconds: 0n, nanos: retryMs * 1_000_000 };
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code: grpc.status[status], details }));
  metadata.set("grpc-status-details-bin", Buffer.from(bytes));
  return { code: grpc.status[status], details: `it is ${status}`, metadata };
}
