import { type Address, type Config, formatAddress, isLoopback } from "../config.ts";
import type { CertificateFacts, RunningServer } from "../server.ts";
import type { LogFields } from "../telemetry.ts";

/** What a person sees when the service is up: what runs where, and what to type next. */
export function bannerOf(server: RunningServer, config: Config, version: string): string {
  const { address, grpcAddress, metricsAddress, certificate, store } = server;
  const reach =
    config.auth === "required"
      ? "for who has a credential (auth = required)"
      : isOpen(config)
        ? "every machine that reaches this address may change every counter (--insecure)"
        : "this machine only";
  const { at, server: url, flags, page } = toTry(server);
  return `
Tally ${version} is serving.

  gRPC   ${formatAddress(grpcAddress)}, ${certificate ? "TLS" : "plaintext"}; ${reach}
  HTTP   ${certificate ? "https" : "http"}://${formatAddress(address)} (/livez, /readyz)${certificate ? certificateLine(certificate) : ""}${
    metricsAddress
      ? `
         http://${formatAddress(metricsAddress)} (/metrics, /livez, /readyz), to whoever asks`
      : ""
  }
  page   ${page}, the API's reference ${page}docs
  store  ${store.title}
         ${store.promise}

Count something, from another terminal (in a checkout, tally is: npx .):

  tally inc hello --server ${url}

  grpcurl ${flags}-d '{"name":"hello"}' ${at} tally.v1.CounterService/Increment

Stop with Ctrl-C.

`;
}

/** The same facts for the log. */
export function readyFields(server: RunningServer, config: Config, version: string): LogFields {
  const { address, grpcAddress, metricsAddress, certificate, store } = server;
  const { server: url, page } = toTry(server);
  return {
    address: formatAddress(address),
    grpc_address: formatAddress(grpcAddress),
    ...(metricsAddress && { metrics_address: formatAddress(metricsAddress) }),
    port: address.port,
    tls: certificate !== undefined,
    ...(certificate && { names: certificate.names, valid_to: certificate.validTo.toISOString() }),
    store: store.title,
    durability: store.durability,
    promise: store.promise,
    auth: config.auth,
    insecure: isOpen(config) && (config.auth !== "required" || certificate === undefined),
    page,
    version,
    node: process.version,
    pid: process.pid,
    try: `tally inc hello --server ${url}`, // No quotes: they would not survive JSON.
  };
}

function isOpen({ listen, grpcListen = listen }: Config): boolean {
  return !isLoopback(listen.host) || !isLoopback(grpcListen.host);
}

function certificateLine({ names, validTo }: CertificateFacts): string {
  return `
  TLS    for ${names || "no name at all"}, until ${validTo.toISOString().slice(0, 10)}`;
}

/** What to type to reach it: over TLS by a name that the certificate has, for any other is refused. */
function toTry({ address, grpcAddress, certificate }: RunningServer): {
  at: string;
  server: string;
  flags: string;
  page: string;
} {
  const [, name] = /(?:^|, )DNS:([^,*"]+)(?=,|$)/.exec(certificate?.names ?? "") ?? [];
  const named = (given: Address) => reachable(name === undefined ? given : { ...given, host: name });
  const at = named(grpcAddress);
  const page = `${certificate ? "https" : "http"}://${named(address)}/`;
  if (certificate === undefined) return { at, server: at, flags: "-plaintext ", page };
  return { at, server: `https://${at}`, flags: "", page };
}

/** The address as someone on this machine reaches it: one cannot connect to "every address". */
function reachable({ host, port }: Address): string {
  return formatAddress({ host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port });
}
