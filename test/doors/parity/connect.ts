import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { HTTP_VERSION } from "../../transports/engine.ts";
import { type Answer, errorOf, methodOf, okOf, type ParityDoor, requestOf } from "./door.ts";

/** Everything compressed, both ways. */
const GZIPPED = {
  sendCompression: compressionGzip,
  acceptCompression: [compressionGzip],
  compressMinBytes: 0,
};

/** Says how long a message is, as browsers do and connect-node does not: one that is too large is told its size by it. */
const announced: Interceptor = (next) => (request) => {
  if (!request.stream) {
    const { length } = toBinary(request.method.input, request.message);
    request.header.set("content-length", `${length}`);
  }
  return next(request);
};

/** Connect and gRPC-Web over HTTP/1.1: the client of connect-node. */
export const CONNECT: readonly ParityDoor[] = [
  door("Connect, JSON", (server) =>
    createConnectTransport({ ...server, httpVersion: HTTP_VERSION, useBinaryFormat: false }),
  ),
  door("Connect, binary", (server) =>
    createConnectTransport({
      ...server,
      httpVersion: HTTP_VERSION,
      useBinaryFormat: true,
      interceptors: [announced],
    }),
  ),
  door("Connect, JSON, GET for reads", (server) =>
    createConnectTransport({
      ...server,
      httpVersion: HTTP_VERSION,
      useBinaryFormat: false,
      useHttpGet: true,
    }),
  ),
  door("Connect, binary, GET for reads, gzip", (server) =>
    createConnectTransport({
      ...server,
      httpVersion: HTTP_VERSION,
      useBinaryFormat: true,
      useHttpGet: true,
      ...GZIPPED,
    }),
  ),
  door("Connect, JSON, gzip", (server) =>
    createConnectTransport({ ...server, httpVersion: HTTP_VERSION, useBinaryFormat: false, ...GZIPPED }),
  ),
  door("gRPC-Web", (server) => createGrpcWebTransport({ ...server, httpVersion: HTTP_VERSION })),
  door("gRPC-Web, JSON", (server) =>
    createGrpcWebTransport({ ...server, httpVersion: HTTP_VERSION, useBinaryFormat: false }),
  ),
  door("gRPC-Web, gzip", (server) =>
    createGrpcWebTransport({ ...server, httpVersion: HTTP_VERSION, ...GZIPPED }),
  ),
];

interface Server {
  readonly baseUrl: string;
  readonly nodeOptions: { readonly ca: string | undefined };
}

function door(name: string, transportTo: (server: Server) => Transport): ParityDoor {
  return {
    name,
    open(opened) {
      const { door, ca } = opened;
      const transport = transportTo({
        baseUrl: `${ca === undefined ? "http" : "https"}://127.0.0.1:${door.port}`,
        nodeOptions: { ca },
      });
      return {
        async call(method, request) {
          try {
            const { unary } = transport;
            const answer = await unary(
              methodOf(method),
              undefined,
              undefined,
              undefined,
              requestOf(method, request),
            );
            return okOf(method, answer.message);
          } catch (error) {
            if (!(error instanceof ConnectError)) throw error;
            return errorOfConnect(error);
          }
        },
      };
    },
  };
}

function errorOfConnect({ code, rawMessage, details }: ConnectError): Answer {
  const any = details.map((detail) => {
    if (!("type" in detail)) throw new TypeError("expected details as they came over the wire");
    return create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value });
  });
  return errorOf(create(StatusSchema, { code, message: rawMessage, details: any }));
}
