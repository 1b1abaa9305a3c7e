import { type Address, type Config, formatAddress, isLoopback } from "../config.ts";
import type { RunningServer } from "../server.ts";
import type { LogFields } from "../telemetry.ts";

/** What a person sees when the service is up: what runs where, and what to type next. */
export function bannerOf(server: RunningServer, config: Config, version: string): string {
  const { address, store } = server;
  const reach = isLoopback(config.listen.host)
    ? "this machine only"
    : "every machine that reaches this address may change every counter (--insecure)";
  const [buf, grpcurl] = commandsToTry(address);
  return `
Tally ${version} is serving.

  gRPC   ${formatAddress(address)}, plaintext; ${reach}
  store  ${store.title}
         ${DURABILITY[store.durability]}

Count something, with buf or with grpcurl:

  ${buf}

  ${grpcurl}

Stop with Ctrl-C.

`;
}

/** The same facts for the log. */
export function readyFields(server: RunningServer, config: Config, version: string): LogFields {
  const { address, store } = server;
  return {
    address: formatAddress(address),
    port: address.port,
    store: store.title,
    durability: store.durability,
    insecure: !isLoopback(config.listen.host),
    version,
    node: process.version,
    pid: process.pid,
    try: `grpcurl -plaintext ${reachable(address)} list`, // No quotes: they would not survive JSON.
  };
}

const DURABILITY = {
  fsync: "every answered change is on disk (fsync) before its answer leaves",
  none: "nothing is saved: every counter is gone when this process ends",
} as const;

function commandsToTry(address: Address): [buf: string, grpcurl: string] {
  const at = reachable(address);
  const method = "tally.v1.CounterService/Increment";
  return [
    `npx @bufbuild/buf curl --protocol grpc --http2-prior-knowledge -d '{"name":"hello"}' http://${at}/${method}`,
    `grpcurl -plaintext -d '{"name":"hello"}' ${at} ${method}`,
  ];
}

/** The address as someone on this machine reaches it: one cannot connect to "every address". */
function reachable({ host, port }: Address): string {
  return formatAddress({ host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port });
}
