import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Peer } from "./calls/authorise.ts";

/** Who is at the other end of a connection. Found out once a connection: to read a certificate takes 100 us. */
export function peerOf(socket: Socket): Peer {
  let peer = PEERS.get(socket);
  if (peer === undefined) {
    peer = { address: addressOf(socket.remoteAddress ?? ""), certificate: certificateOf(socket) };
    PEERS.set(socket, peer);
  }
  return peer;
}

const PEERS = new WeakMap<Socket, Peer>();

/** Of IPv4 as that is written, also where the system has it in IPv6. */
function addressOf(address: string): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, "");
}

/** One that was not verified is none; `authorized` is false for none as well. */
function certificateOf(socket: Socket): Peer["certificate"] {
  return socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
}
