import { type Address, type Config, formatAddress } from "../config.ts";
import { StartError, type StartReason } from "../start-error.ts";
import { ListenError } from "../transports/listener.ts";

/** What an operator is told who gave it an address that it cannot listen on; any other error as it is. */
export function toListenError(error: unknown, { grpcListen, metricsListen }: Config): unknown {
  if (!(error instanceof ListenError)) return error;
  const { code } = error.cause as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : LISTEN_ERRORS[code];
  if (known === undefined) return error;
  const [reason, why] = known;
  const flags = new Map([
    [grpcListen, "--grpc-listen"],
    [metricsListen, "--metrics-listen"],
  ]);
  const flagOf = (address: Address) => flags.get(address) ?? "--listen";
  const flag = flagOf(error.address);
  const said =
    error.sameAs === undefined
      ? why.replace("--listen", flag)
      : SAME(flagOf(error.sameAs), error.sameAs, flag);
  const sentence = `Cannot listen on ${formatAddress(error.address)}: ${said}.`;
  return new StartError(reason, sentence, { cause: error });
}

const LISTEN_ERRORS: Readonly<Record<string, readonly [StartReason, string]>> = {
  EADDRINUSE: [
    "ADDRESS_IN_USE",
    "another process does already; stop that one, or choose another port with --listen",
  ],
  EACCES: ["ADDRESS_FORBIDDEN", "this user may not; choose a port above 1023 with --listen"],
  EADDRNOTAVAIL: ["ADDRESS_UNKNOWN", "this machine has no such address; choose one of its own with --listen"],
  ENOTFOUND: ["ADDRESS_UNKNOWN", "nobody knows this name; check --listen"],
  EAI_AGAIN: ["ADDRESS_UNKNOWN", "the name could not be looked up; check --listen, or give an IP address"],
};

const SAME = (otherFlag: string, other: Address, flag: string) =>
  `${otherFlag} names that address too (${formatAddress(other)}); choose another port with one of them, or leave ${flag} out`;
