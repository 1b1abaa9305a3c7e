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

Count something:

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
    try: commandsToTry(address)[1],
  };
}

const DURABILITY = {
  fsync: "every answered change is on disk (fsync) before its answer leaves",
  none: "nothing is saved: every counter is gone when this process ends",
} as const;

function commandsToTry({ host, port }: Address): [buf: string, grpcurl: string] {
  const at = formatAddress({ host: ANY_HOST.has(host) ? "127.0.0.1" : host, port });
  const method = "tally.v1.CounterService/Increment";
  return [
    `npx @bufbuild/buf curl --protocol grpc --http2-prior-knowledge -d '{"name":"hello"}' http://${at}/${method}`,
    `grpcurl -plaintext -d '{"name":"hello"}' ${at} ${method}`,
  ];
}

/** Where a server listens on every address of its machine. */
const ANY_HOST: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
