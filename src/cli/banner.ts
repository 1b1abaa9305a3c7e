import { type Address, type Config, formatAddress, isLoopback } from "../config.ts";
import type { RunningServer } from "../server.ts";
import type { LogFields } from "../telemetry.ts";

/** What a person sees when the service is up: what runs where, and what to type next. */
export function bannerOf(server: RunningServer, config: Config, version: string): string {
  const { address, grpcAddress, store } = server;
  const reach = isOpen(config)
    ? "every machine that reaches this address may change every counter (--insecure)"
    : "this machine only";
  const at = reachable(grpcAddress);
  return `
Tally ${version} is serving.

  gRPC   ${formatAddress(grpcAddress)}, plaintext; ${reach}
  HTTP   http://${formatAddress(address)} (/livez, /readyz)
  store  ${store.title}
         ${store.promise}

Count something, from another terminal (in a checkout, tally is: npx .):

  tally inc hello --server ${at}

  grpcurl -plaintext -d '{"name":"hello"}' ${at} tally.v1.CounterService/Increment

Stop with Ctrl-C.

`;
}

/** The same facts for the log. */
export function readyFields(server: RunningServer, config: Config, version: string): LogFields {
  const { address, grpcAddress, store } = server;
  return {
    address: formatAddress(address),
    grpc_address: formatAddress(grpcAddress),
    port: address.port,
    store: store.title,
    durability: store.durability,
    promise: store.promise,
    insecure: isOpen(config),
    version,
    node: process.version,
    pid: process.pid,
    try: `grpcurl -plaintext ${reachable(grpcAddress)} list`, // No quotes: they would not survive JSON.
  };
}

function isOpen({ listen, grpcListen = listen }: Config): boolean {
  return !isLoopback(listen.host) || !isLoopback(grpcListen.host);
}

/** The address as someone on this machine reaches it: one cannot connect to "every address". */
function reachable({ host, port }: Address): string {
  return formatAddress({ host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port });
}
