/** A server that is really started, in this process, and calls to it as anybody makes them. */
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { loadConfig } from "../../src/config.ts";
import type { Clock } from "../../src/core/clock.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { refusedOf } from "../transports/door.ts";

export interface Served extends AsyncDisposable {
  readonly server: RunningServer;
  readonly logged: { event: string; fields: Record<string, unknown> | undefined }[];
  /** REST: the status, and the body as JSON. */
  rest(sent: Sent): Promise<{ status: number; json: unknown; reason: string | undefined }>;
  /** gRPC: what is answered, or the reason why not. */
  grpc<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M["input"]>,
    key?: string,
  ): Promise<Answered<M>>;
}

type Answered<M extends DescMethodUnary> = MessageShape<M["output"]> | string | undefined;

interface Sent {
  readonly path: string;
  readonly method?: string;
  readonly key?: string | undefined;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

export type Flags = Readonly<Record<string, string>>;

/** @param clock  of the server; the system's unless given */
export async function serve(flags: Flags, clock?: Clock): Promise<Served> {
  const logged: Served["logged"] = [];
  const { config } = loadConfig({ flags: { listen: "127.0.0.1:0", "drain-grace": "0s", ...flags }, env: {} });
  const server = await startServer(config, {
    ...(clock && { clock }),
    telemetry: {
      log: (event, fields) => void logged.push({ event, fields }),
      metrics: new Metrics(),
    },
  });
  const { port } = server.address;
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return {
    server,
    logged,
    async rest({ path, method, key, body, headers }) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: {
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const json = (await answer.json()) as { error?: { details?: { reason?: string }[] } };
      const reason = json.error?.details?.find((detail) => detail.reason !== undefined)?.reason;
      return { status: answer.status, json, reason };
    },
    async grpc(method, request, key) {
      const metadata = new grpc.Metadata();
      if (key !== undefined) metadata.set("authorization", `Bearer ${key}`);
      const bytes = Buffer.from(toBinary(method.input, create(method.input, request as never)));
      return new Promise<Answered<typeof method>>((resolve) => {
        const path = `/${method.parent.typeName}/${method.name}`;
        const asIs = (buffer: Buffer) => buffer;
        client.makeUnaryRequest(path, asIs, asIs, bytes, metadata, (error, value) =>
          resolve(
            error === null
              ? (fromBinary(method.output, value!) as Answered<typeof method>)
              : refusedOf(error as grpc.StatusObject).reason,
          ),
        );
      });
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await server.close(0);
    },
  };
}
