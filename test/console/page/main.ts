/**
 * The page as another site could have it: the same page, and the server, protocol and format that its address names.
 * `tally` is the client, for what a script of such a site may try.
 */
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { CounterService } from "../../../gen/browser/tally/v1/counter_service_pb.ts";
import { openConsole } from "../../../src/console/console.tsx";

const asked = new URL(location.href).searchParams;
const transportOf = asked.get("protocol") === "grpc-web" ? createGrpcWebTransport : createConnectTransport;
const baseUrl = asked.get("server")!;
const options = { baseUrl, useBinaryFormat: asked.get("format") === "binary" };
const known = { baseUrl: `${baseUrl}/`, asksWhoCalls: true };
openConsole(document.querySelector("#console")!, known, (interceptors) =>
  transportOf({ ...options, interceptors }),
);
Object.assign(globalThis, { tally: createClient(CounterService, transportOf(options)) });
