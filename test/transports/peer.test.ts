import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, Server as TlsServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { peerOf } from "../../src/transports/peer.ts";
import type { CertificateFiles } from "../../src/transports/tls/pair.ts";
import { type Authority, authority } from "../support/certificates.ts";

/** The socket of whoever connects to a server, as that has it. */
async function accepted(server: Server, host: string, from: (port: number) => Socket): Promise<Socket> {
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const ready = once(server, server instanceof TlsServer ? "secureConnection" : "connection");
  from(port).on("error", () => {});
  const [socket] = (await ready) as [Socket];
  socket.on("error", () => {});
  server.close();
  return socket;
}

describe("the address of who is at the other end", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
    ["::", "127.0.0.1", "127.0.0.1"], // Which the system has as ::ffff:127.0.0.1.
    ["::1", "::1", "::1"],
  ])("of a server on %s, called from %s", async (host, to, address) => {
    const socket = await accepted(createServer(), host, (port) => connect(port, to));
    expect(peerOf(socket)).toEqual({ address, certificate: undefined });
    expect(peerOf(socket)).toBe(peerOf(socket));
    socket.destroy();
    expect(peerOf(socket).address).toBe(address); // Known once the connection is gone, too.
  });
});

describe("the certificate of who is at the other end", () => {
  const read = ({ certFile, keyFile }: CertificateFiles) => ({
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
  });
  const shown = async (of: Authority, client: CertificateFiles | undefined) => {
    const options = { ...read(of.issue()), ca: of.ca, requestCert: true, rejectUnauthorized: false };
    const socket = await accepted(createTlsServer(options), "127.0.0.1", (port) =>
      connectTls({ port, host: "127.0.0.1", ca: of.ca, ...(client && read(client)) }),
    );
    const { certificate } = peerOf(socket);
    socket.destroy();
    return certificate?.subjectAltName;
  };

  it("is there where it was verified, and only there", async () => {
    using ours = authority();
    using others = authority();
    expect(await shown(ours, ours.issue("URI:spiffe://example.org/shop"))).toBe(
      "URI:spiffe://example.org/shop",
    );
    expect(await shown(ours, others.issue("URI:spiffe://example.org/shop"))).toBeUndefined();
    expect(await shown(ours, undefined)).toBeUndefined();
  });
});
