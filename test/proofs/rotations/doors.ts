/** By which ways the callers call: one call at a time, each door with a connection of its own. */
import { readFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";
import type { TLSSocket } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { IncrementRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Credential } from "./ledger.ts";

/** Where to, and what is shown there. */
export interface Way {
  readonly port: number;
  /** Who signs the server's certificate, in PEM. */
  readonly ca: string;
  readonly credential: Credential;
}

/** A door that is open. `call` adds one to a counter, but for streams; what it throws says why it did not. */
export interface Door {
  call(counter: string, requestId: string): Promise<void>;
  close(): void;
}

export type OpenDoor = (way: Way) => Door;

const TIMEOUT_MS = 20_000;

/** Unary, on grpc-js. */
export const overGrpc: OpenDoor = (way) => {
  const { client, metadata } = grpcClient(way);
  return {
    call: (name, requestId) =>
      new Promise((resolve, reject) => {
        const asked = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name, requestId }));
        const options = { deadline: Date.now() + TIMEOUT_MS };
        client.makeUnaryRequest(
          "/tally.v1.CounterService/Increment",
          ...[asIs, asIs],
          ...[Buffer.from(asked), metadata, options],
          (error) => (error === null ? resolve() : reject(new Error(error.message))),
        );
      }),
    close: () => client.close(),
  };
};

/** A stream that stays open: a call is one message of it, and its answer. One that has ended is begun anew. */
export const overStream: OpenDoor = (way) => {
  const { client, metadata } = grpcClient(way);
  const asked = Buffer.from(
    toBinary(
      ServerReflectionRequestSchema,
      create(ServerReflectionRequestSchema, { messageRequest: { case: "listServices", value: "" } }),
    ),
  );
  let stream: grpc.ClientDuplexStream<Buffer, Buffer> | undefined;
  let waiting: { resolve(): void; reject(why: Error): void } | undefined;
  /** Why it ended while nobody called: the next call is told. */
  let ended: Error | undefined;
  const begun = () => {
    const one = client.makeBidiStreamRequest(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      ...([asIs, asIs, metadata] as const),
    );
    const end = (why: Error) => {
      if (stream !== one) return;
      stream = undefined;
      if (waiting === undefined) ended = why;
      else waiting.reject(why);
    };
    one.on("error", end);
    one.on("end", () => end(new Error("the stream has ended")));
    one.on("data", (bytes: Buffer) => {
      const { messageResponse } = fromBinary(ServerReflectionResponseSchema, bytes);
      if (messageResponse.case === "listServicesResponse") waiting?.resolve();
      else one.destroy(new Error(`answered ${messageResponse.case}`));
    });
    return one;
  };
  return {
    async call() {
      const { promise, ...settle } = Promise.withResolvers<void>();
      waiting = settle;
      const timer = setTimeout(() => settle.reject(new Error("no answer in time")), TIMEOUT_MS);
      try {
        if (ended !== undefined) throw ended;
        stream ??= begun();
        stream.write(asked);
        await promise;
      } finally {
        ended = undefined;
        waiting = undefined;
        clearTimeout(timer);
      }
    },
    close() {
      stream?.cancel();
      client.close();
    },
  };
};

/** REST, on one connection. */
export const overRest: OpenDoor = (way) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return { call: (name, id) => post(way, agent, name, id), close: () => agent.destroy() };
};

/** REST, each call with a handshake of its own. @param shown  told the serial number of the server's certificate */
export function overNewConnections(shown: (port: number, serial: string) => void): OpenDoor {
  return (way) => ({
    call: (name, id) =>
      post(way, false, name, id, (socket) => shown(way.port, socket.getPeerCertificate().serialNumber)),
    close() {},
  });
}

function post(
  { port, ca, credential }: Way,
  agent: RequestOptions["agent"],
  name: string,
  id: string,
  met: (socket: TLSSocket) => void = () => {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { secret, certificate } = credential;
    const headers = {
      "content-type": "application/json",
      "idempotency-key": id,
      ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
    };
    const call = request(
      {
        ...{
          host: "127.0.0.1",
          servername: "localhost",
          port,
          method: "POST",
          path: `/v1/counters/${name}:increment`,
        },
        ...{ agent, ca, headers, timeout: TIMEOUT_MS },
        ...(certificate && {
          cert: readFileSync(certificate.certFile),
          key: readFileSync(certificate.keyFile),
        }),
      },
      async (response) => {
        try {
          met(response.socket as TLSSocket);
          const body = (await response.toArray()).join("");
          if (response.statusCode === 200) resolve();
          else reject(new Error(`HTTP ${response.statusCode} ${body.slice(0, 200)}`));
        } catch (error) {
          reject(error);
        }
      },
    );
    call.on("timeout", () => call.destroy(new Error("no answer in time")));
    call.on("error", reject);
    call.end("{}");
  });
}

function grpcClient({ port, ca, credential }: Way) {
  const { secret, certificate } = credential;
  const [key, cert] = certificate
    ? [readFileSync(certificate.keyFile), readFileSync(certificate.certFile)]
    : [null, null];
  const client = new grpc.Client(
    `127.0.0.1:${port}`,
    grpc.credentials.createSsl(Buffer.from(ca), key, cert),
    {
      "grpc.ssl_target_name_override": "localhost",
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 500,
    },
  );
  const metadata = new grpc.Metadata();
  if (secret !== undefined) metadata.set("authorization", `Bearer ${secret}`);
  return { client, metadata };
}

const asIs = (bytes: Buffer) => bytes;
