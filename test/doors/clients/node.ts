import { fromBinary, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { Client, refusedOf } from "../../transports/door.ts";
import { methodOf, requestOf } from "../parity/door.ts";
import { type Answer, DEFAULT_TIMEOUT_MS, type How, type ManyCallsClient } from "./client.ts";

/** Node's grpc-js, in this process. */
export const grpcJs: ManyCallsClient = {
  name: "Node grpc-js",
  needs: [],
  async open(address) {
    const client = new Client(portOf(address));
    return {
      call(method, request, how = {}) {
        const { input, output, parent } = methodOf(method);
        const bytes = toBinary(input, requestOf(method, request as JsonObject));
        const metadata = grpc.Metadata.fromHttp2Headers({ ...how.metadata });
        const deadline = Date.now() + (how.timeoutMs ?? DEFAULT_TIMEOUT_MS);
        const { promise, resolve } = Promise.withResolvers<Answer>();
        const call = client.grpc.makeUnaryRequest(
          `/${parent.typeName}/${method}`,
          (bytes: Uint8Array) => Buffer.from(bytes),
          (bytes: Buffer) => bytes,
          bytes,
          metadata,
          { deadline },
          (error, answer) => {
            if (error === null) return resolve({ ok: toJson(output, fromBinary(output, answer!)) });
            const { status, reason, metadata } = refusedOf(error);
            resolve({ error: { status, reason, metadata } });
          },
        );
        if (how.cancelAfterMs !== undefined) setTimeout(() => call.cancel(), how.cancelAfterMs);
        return promise;
      },
      close: async () => client.close(),
    };
  },
};

/** In MB. With the 10 of Node.js a session refuses new calls while it sends some messages of 4 MB. */
const nodeOptions = { maxSessionMemory: 1_000 };

export const connectGrpc = ofConnect("Node connect, gRPC", (baseUrl) =>
  createGrpcTransport({ baseUrl, nodeOptions }),
);

/** connect-node over HTTP/2, by the protocols that others speak over HTTP/1.1. */
export const connectOverHttp2: readonly ManyCallsClient[] = [
  ofConnect("Node connect, Connect", (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  ),
  ofConnect("Node connect, gRPC-Web", (baseUrl) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  ),
];

function ofConnect(name: string, transportTo: (baseUrl: string) => Transport): ManyCallsClient {
  return {
    name,
    needs: [],
    async open(address) {
      const transport = transportTo(`http://${address}`);
      return { call: (...call) => callOver(transport, ...call), async close() {} };
    },
  };
}

async function callOver(transport: Transport, name: string, request: object, how: How = {}): Promise<Answer> {
  const method = methodOf(name);
  const { metadata, timeoutMs = DEFAULT_TIMEOUT_MS, cancelAfterMs } = how;
  const cancel = new AbortController();
  if (cancelAfterMs !== undefined) setTimeout(() => cancel.abort(), cancelAfterMs);
  const asked = requestOf(name, request as JsonObject);
  try {
    const { message } = await transport.unary(method, cancel.signal, timeoutMs, metadata, asked);
    return { ok: toJson(method.output, message) };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "tally");
    const status = Code[error.code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
    return {
      error: {
        status: status === "CANCELED" ? "CANCELLED" : status,
        reason: info?.reason,
        metadata: info?.metadata ?? {},
      },
    };
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
