/** Clients that show certificates over TLS: who is let in, and for how long. */
import { once } from "node:events";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { Certificate } from "../../src/transports/tls/certificate.ts";
import type { CertificateFiles } from "../../src/transports/tls/pair.ts";
import { authority } from "../support/certificates.ts";
import { HandClock } from "../support/clock.ts";
import { type Opened, open } from "./door.ts";

const SERVERS = authority();
const CLIENTS = authority();
const OTHERS = authority();
afterAll(() => {
  for (const one of [SERVERS, CLIENTS, OTHERS]) one[Symbol.dispose]();
});
const SERVER = SERVERS.issue();
const { ca } = SERVERS;
const SHOP = CLIENTS.issue("URI:spiffe://example.org/shop");
const STRANGER = OTHERS.issue("URI:spiffe://example.org/shop");
const OWN_PORT = { grpcListen: { host: "127.0.0.1", port: 0 } };
const DAY_MS = 86_400_000;

type Options = NonNullable<Parameters<typeof open>[0]>;

const openTls = ({ tls, ...more }: Partial<Omit<Options, "tls">> & { tls?: object } = {}) =>
  open({ tls: { ...SERVER, ca, clientCaFile: CLIENTS.caFile, ...tls }, clientAuth: "optional", ...more });

/** A connection with a certificate, or without one. */
function shaken(port: number, shows?: CertificateFiles, more: object = {}): TLSSocket {
  const own = shows && { cert: readFileSync(shows.certFile), key: readFileSync(shows.keyFile) };
  const socket = connect({ port, host: "127.0.0.1", ca, ALPNProtocols: ["h2"], ...own, ...more });
  socket.on("error", () => {}); // It is closed then.
  return socket;
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1"); // With SETTINGS.

/** Whether HTTP/2 is spoken on a connection, or it is closed. */
async function isServed(socket: TLSSocket): Promise<boolean> {
  socket.write(PREFACE);
  return new Promise((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("close", () => resolve(false));
  });
}

/** The same of one that is made for it. */
async function lets(port: number, shows?: CertificateFiles, more: object = {}): Promise<boolean> {
  const socket = shaken(port, shows, more);
  const served = await isServed(socket);
  socket.destroy();
  return served;
}

describe.each(["TLSv1.2", "TLSv1.3"])("with %s", (version) => {
  const only = { minVersion: version, maxVersion: version };

  it.for<["optional" | "required", boolean]>([
    ["optional", true],
    ["required", false],
  ])(
    "%s lets in who shows a good certificate; who shows none: %s; and never one of another authority",
    async ([clientAuth, without]) => {
      await using opened = await openTls({ clientAuth, ...OWN_PORT });
      const { grpcPort } = opened.door;
      expect(await lets(grpcPort, SHOP, only)).toBe(true);
      expect(await lets(grpcPort, undefined, only)).toBe(without);
      expect(await lets(grpcPort, STRANGER, only)).toBe(false);
      const told = opened.logged.filter(({ event }) => event === "tls.client_refused");
      const whys = [...(without ? [] : ["no_certificate"]), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"];
      expect(told.map(({ fields }) => fields?.why)).toEqual(whys);
    },
  );

  it("a session that is resumed stays good, until the authority it is from is gone", async () => {
    const own = copied("resumed");
    await using opened = await openTls({ tls: own });
    const { door, certificate } = opened;
    const first = shaken(door.grpcPort, SHOP, only);
    const session = new Promise<Buffer>((resolve) => first.once("session", resolve));
    expect(await isServed(first)).toBe(true);
    const resumed = async (shows?: CertificateFiles) => {
      const socket = shaken(door.grpcPort, shows, { ...only, session: await session });
      const served = await isServed(socket);
      const reused = socket.isSessionReused();
      socket.destroy();
      return { served, reused };
    };
    expect(await resumed(SHOP)).toEqual({ served: true, reused: true });
    copyFileSync(OTHERS.caFile, own.clientCaFile);
    await certificate!.renew();
    expect(await resumed(SHOP)).toMatchObject({ served: false });
    expect(await lets(door.grpcPort, STRANGER, only)).toBe(true);
    first.destroy();
  });
});

/** A file of authorities of the test's own, to be written over. */
function copied(name: string): { clientCaFile: string } {
  const clientCaFile = join(CLIENTS.folder, `${name}.pem`);
  copyFileSync(CLIENTS.caFile, clientCaFile);
  return { clientCaFile };
}

it("asks where gRPC is, and there alone", async () => {
  await using opened = await openTls({ clientAuth: "required", ...OWN_PORT });
  const said = async (port: number) => {
    const socket = shaken(port, undefined, { ALPNProtocols: ["http/1.1"] });
    socket.write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const [data] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => ["closed"])]);
    return `${data}`.slice(0, 12);
  };
  expect(await said(opened.door.port)).toBe("HTTP/1.1 200");
});

it("lets in who shows what leads to an authority by certificates of its own", async () => {
  await using opened = await openTls();
  const shop = CLIENTS.intermediate().issue("URI:spiffe://example.org/shop");
  expect(await lets(opened.door.grpcPort, shop)).toBe(true);
});

describe("a connection that there is", () => {
  /** With two connections, of which the second has no certificate. */
  async function two(opened: Opened, shows = SHOP): Promise<[TLSSocket, TLSSocket]> {
    const sockets = [shaken(opened.door.grpcPort, shows), shaken(opened.door.grpcPort)] as const;
    for (const socket of sockets) expect(await isServed(socket)).toBe(true);
    return [...sockets];
  }
  const ended = ({ logged }: Opened) =>
    logged.filter(({ event }) => event === "tls.client_ended").map(({ fields }) => fields?.why);

  it("is ended when its authority is gone, and that without a certificate is not", async () => {
    const own = copied("gone");
    await using opened = await openTls({ tls: own });
    const [shop, nobody] = await two(opened);
    const closed = once(shop, "close");
    copyFileSync(OTHERS.caFile, own.clientCaFile);
    await opened.certificate!.renew();
    await closed;
    expect(ended(opened)).toEqual(["authority_gone"]);
    expect(nobody.destroyed).toBe(false);
    nobody.destroy();
  });

  it("stays when another authority comes, and when its own alone is left", async () => {
    const own = copied("added");
    await using opened = await openTls({ tls: own });
    const shown = [SHOP, CLIENTS.intermediate().issue("DNS:shop.example")];
    const [[shop, one], [far, other]] = [await two(opened, shown[0]), await two(opened, shown[1])];
    writeFileSync(own.clientCaFile, CLIENTS.ca + OTHERS.ca);
    await opened.certificate!.renew();
    writeFileSync(own.clientCaFile, CLIENTS.ca);
    await opened.certificate!.renew();
    expect(ended(opened)).toEqual([]);
    for (const socket of [shop, one, far, other]) socket.destroy();
    expect(opened.logged.map(({ event }) => event)).toEqual([
      "tls.authorities_renewed",
      "tls.authorities_renewed",
    ]);
  });

  it("is ended when that is gone which its authority stands on, and when its own path is not known", async () => {
    const own = copied("path");
    const [near, far] = [CLIENTS.intermediate(), CLIENTS.intermediate()];
    writeFileSync(own.clientCaFile, CLIENTS.ca + near.ca);
    await using opened = await openTls({ tls: own });
    const [one, nobody] = await two(opened, near.issue("DNS:near.example"));
    const [other, none] = await two(opened, far.issue("DNS:far.example"));
    writeFileSync(own.clientCaFile, CLIENTS.ca); // The server knows no more what leads from one to it.
    const closed = Promise.all([once(one, "close"), once(other, "close")]);
    await opened.certificate!.renew();
    await closed; // They connect anew, with what leads there.
    expect(ended(opened)).toEqual(["authority_gone", "authority_gone"]);
    writeFileSync(own.clientCaFile, CLIENTS.ca + near.ca);
    await opened.certificate!.renew();
    const [again, nobodyElse] = await two(opened, near.issue("DNS:near.example"));
    writeFileSync(own.clientCaFile, OTHERS.ca + near.ca);
    const closedAgain = once(again, "close");
    await opened.certificate!.renew();
    await closedAgain;
    for (const socket of [nobody, none, nobodyElse]) socket.destroy();
  });

  it("is ended within a minute after its certificate has expired, and no other is let in with it", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const clock = new HandClock(Date.now() + 3_600_000);
    await using opened = await openTls({ tls: { clock } });
    const [shop, nobody] = await two(opened);
    clock.advance(3 * DAY_MS);
    expect(await lets(opened.door.grpcPort, SHOP)).toBe(false);
    expect(shop.destroyed).toBe(false);
    const closed = once(shop, "close");
    vi.advanceTimersByTime(60_000);
    await closed;
    expect(ended(opened)).toEqual(["expired"]);
    nobody.destroy();
  });
});

describe("the file of authorities", () => {
  const openWith = (clientCaFile: string) =>
    Certificate.open(
      { ...SERVER, clientCaFile },
      { clock: new HandClock(), log: () => {}, checkEveryMs: 1e9 },
    );

  it.each<[string, string, string]>([
    ["missing", "", "cannot be read: there is no such file"],
    ["key", readFileSync(SERVER.keyFile, "utf8"), "are no certificates in PEM; expected -----BEGIN"],
    ["leaf", readFileSync(SERVER.certFile, "utf8"), "have a certificate that may sign no others"],
    [
      "mixed",
      CLIENTS.ca + readFileSync(SERVER.certFile, "utf8"),
      "have a certificate that may sign no others",
    ],
    [
      "half",
      `${CLIENTS.ca}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`,
      "have a certificate that cannot be read",
    ],
  ])("is refused: %s", async (name, text, why) => {
    const file = join(CLIENTS.folder, `${name}-refused.pem`);
    if (text !== "") writeFileSync(file, text);
    await expect(openWith(file)).rejects.toThrow(`The TLS client authorities ${file} ${why}`);
  });

  it("that became useless is told, and those before stay", async () => {
    const own = copied("useless");
    await using opened = await openTls({ tls: own });
    writeFileSync(own.clientCaFile, "");
    await opened.certificate!.renew();
    expect(opened.logged.map(({ event }) => event)).toEqual(["tls.renewal_failed"]);
    expect(await lets(opened.door.grpcPort, SHOP)).toBe(true);
    expect(await lets(opened.door.grpcPort, STRANGER)).toBe(false);
  });
});
