import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { type Address, ListenError } from "./listener.ts";

/**
 * Look whether addresses can be listened on, all at the same time, without listening: who asks for a server meanwhile, by a
 * connection that is accepted, is to be told that there is none yet.
 *
 * That says nothing for later: another process may take one of them at any time.
 *
 * @throws ListenError  of the first that cannot
 */
export async function assertFree(addresses: readonly Address[]): Promise<void> {
  const found: (Found & { readonly asked: Address })[] = [];
  for (const address of addresses) {
    const own = await freeAt(address);
    const same = found.find((other) => overlap(own, other));
    if (same !== undefined) throw new ListenError(address, TAKEN, same.asked);
    found.push({ ...own, asked: address });
  }
}

async function freeAt(address: Address): Promise<Found> {
  try {
    const own = { port: address.port, ...(await lookup(address.host)) };
    await bindOnce(own);
    return own;
  } catch (cause) {
    throw new ListenError(address, cause as Error);
  }
}

/** An address by numbers. */
interface Found {
  readonly address: string;
  readonly family: number;
  readonly port: number;
}

/**
 * Node.js binds a socket that does not listen only to connect it: from the address, to a port of the same machine where nobody
 * is, or whoever is there is left at once.
 */
async function bindOnce({ address: localAddress, family, port: localPort }: Found): Promise<void> {
  const own = localAddress === EVERY[family] ? LOOPBACK[family] : localAddress;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: own!, port: DISCARD, localAddress, localPort });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.syscall === "bind") reject(error);
  });
  socket.on("connect", () => socket.destroy());
  socket.setTimeout(BOUND_MS, () => socket.destroy());
  socket.on("close", () => resolve()); // Behind an error.
  return promise;
}

const EVERY: Readonly<Record<number, string>> = { 4: "0.0.0.0", 6: "::" };
const LOOPBACK: Readonly<Record<number, string>> = { 4: "127.0.0.1", 6: "::1" };
/** RFC 863; hardly any machine has it. */
const DISCARD = 9;
/** It is bound at once; to be refused takes no time either, unless a firewall says nothing. */
const BOUND_MS = 1_000;

/** Whether no two can listen there. What listens on `::` has IPv4 as well. */
function overlap(one: Found, other: Found): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  if (one.address === "::" || other.address === "::") return true;
  const isEvery = [one, other].some(({ address }) => address === EVERY[4]);
  return one.family === other.family && (isEvery || one.address === other.address);
}

const TAKEN = Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" });
