import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Health, HealthCheckResponse_ServingStatus } from "../gen/grpc/health/v1/health_pb.ts";
import { CounterService } from "../gen/tally/v1/counter_service_pb.ts";
import { framed, pathOf } from "./messages.ts";
import { counterName, type NameRange } from "./names.ts";

/** Calls beside the load: readiness, reading values back, filling. Convenient, not fast. */
export type Caller = {
  /** @throws CallError when the call ends with another status than OK. */
  call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
  ): Promise<MessageShape<Output>>;
  close(): void;
};

export class CallError extends Error {
  readonly status: string;
  constructor(method: string, status: string, message: string) {
    super(`${method} ended with grpc-status ${status}: ${message}`);
    this.status = status;
  }
}

/** What a call says beside what it asks for: by lower-case names. */
export type Headers = Readonly<Record<string, string>>;

/** @param headers  of each call: who calls, say */
export async function openCaller(port: number, headers: Headers = {}): Promise<Caller> {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20 } });
  await once(session, "connect"); // Rejects when the session fails first.
  session.on("error", () => session.destroy()); // Its calls end without a status, which call() reports.
  return {
    async call(method, request) {
      const message = await callOnce(
        session,
        headers,
        pathOf(method),
        toBinary(method.input, create(method.input, request)),
      );
      return fromBinary(method.output, message);
    },
    close: () => session.close(),
  };
}

async function callOnce(
  session: ClientHttp2Session,
  headers: Headers,
  path: string,
  message: Uint8Array,
): Promise<Uint8Array> {
  const stream = session.request({
    ...headers,
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  let status: string | undefined;
  let text: string | undefined;
  for (const event of ["response", "trailers"]) {
    stream.on(event, (headers) => {
      status = headers["grpc-status"] ?? status;
      text = headers["grpc-message"] ?? text;
    });
  }
  stream.end(framed(message));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  if (status !== "0") throw new CallError(path, status ?? "missing", text ?? "");
  return Buffer.concat(chunks).subarray(5);
}

/** @returns whether the server on this port says that it is SERVING. */
export async function answersHealth(port: number): Promise<boolean> {
  const caller = await openCaller(port);
  try {
    const { status } = await caller.call(Health.method.check, {});
    return status === HealthCheckResponse_ServingStatus.SERVING;
  } finally {
    caller.close();
  }
}

/** @returns the value of a counter; 0 when it does not exist. */
export async function counterValue(caller: Caller, name: string): Promise<bigint> {
  try {
    return (await caller.call(CounterService.method.getCounter, { name })).counter!.value;
  } catch (error) {
    if (error instanceof CallError && error.status === "5") return 0n; // NOT_FOUND
    throw error;
  }
}

/** @returns the sum of the values of these counters, read one by one, up to 100 at once. */
export async function sumOf(port: number, names: NameRange): Promise<bigint> {
  const caller = await openCaller(port);
  let sum = 0n;
  let next = 0;
  const readers = Array.from({ length: 100 }, async () => {
    while (next < names.count) {
      const value = await counterValue(caller, counterName(next++ * names.stride));
      sum += value; // Not `sum += await`, which reads the sum before it waits.
    }
  });
  await Promise.all(readers);
  caller.close();
  return sum;
}

/** @returns whether anything on this port speaks HTTP/2. */
export async function acceptsCalls(port: number): Promise<boolean> {
  (await openCaller(port)).close();
  return true;
}
