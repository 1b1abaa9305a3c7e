/** The doors over TLS: who is let in by which protocol, who is not, and certificates that are renewed. */
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import type { CertificateFiles } from "../../src/transports/tls/pair.ts";
import { authority, LOCAL_NAMES } from "../support/certificates.ts";
import { HandClock } from "../support/clock.ts";
import { Client, gate, type Opened, open, refusal } from "./door.ts";
import { byEngine } from "./engine.ts";
import { send } from "./http.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const FILES = AUTHORITY.issue();
const { ca } = AUTHORITY;

const openTls = (options: Parameters<typeof open>[0] = {}) => open({ tls: { ...FILES, ca }, ...options });

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const OWN_PORT = { grpcListen: { host: "127.0.0.1", port: 0 } };

/** Shake hands, offering these protocols; resolves with what was agreed on, or why it was not. */
async function shake(
  port: number,
  offered: readonly string[] | undefined,
  more: object = {},
): Promise<unknown> {
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    ca,
    ...(offered && { ALPNProtocols: [...offered] }),
    ...more,
  });
  try {
    await once(socket, "secureConnect");
    return socket.alpnProtocol;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

/** Everything that comes until the connection is closed. */
async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  await once(socket, "close");
  return text;
}

async function secured(port: number, offered: readonly string[] = [], more: object = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: "127.0.0.1", ca, ALPNProtocols: [...offered], ...more });
  await once(socket, "secureConnect");
  return socket;
}

describe("the protocol that is agreed on", () => {
  const NONE = "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL";
  // Where HTTP/2 has all that HTTP/1.1 has, it comes first; where it has gRPC alone, last, or not at all.
  const both = byEngine({ "grpc-js": "http/1.1", own: "h2" });
  const http2 = byEngine({ "grpc-js": NONE, own: "h2" });
  it.for<[readonly string[] | undefined, string, unknown, unknown, unknown]>([
    // offered; on the one port; with gRPC on its own port: there, and on the other
    [["h2"], "h2 for gRPC's clients", "h2", "h2", http2],
    [["http/1.1"], "http/1.1", "http/1.1", NONE, "http/1.1"],
    [["h2", "http/1.1"], "what browsers and curl offer", both, "h2", both],
    [["http/1.1", "h2"], "the same the other way round", both, "h2", both],
    [["spdy/3", "h2"], "h2 beside something old", "h2", "h2", http2],
    [["h3"], "nothing of ours", NONE, NONE, NONE],
    [undefined, "nothing at all", false, false, false],
  ])(
    "for %j (%s): %s on one port, %s on gRPC's own, %s beside it",
    async ([offered, , shared, grpc, beside]) => {
      await using one = await openTls();
      await using two = await openTls(OWN_PORT);
      expect(await shake(one.door.port, offered)).toBe(shared);
      expect(await shake(two.door.grpcPort, offered)).toBe(grpc);
      expect(await shake(two.door.port, offered)).toBe(beside);
    },
  );

  it("is kept to: HTTP/2 after http/1.1, HTTP/1.1 after h2 and HTTP/2 after nothing are hung up on", async () => {
    await using opened = await openTls();
    const LIVEZ = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const said = async (offered: readonly string[], text: string) => {
      const socket = await secured(opened.door.port, offered);
      socket.write(text);
      return readAll(socket);
    };
    expect(await said(["http/1.1"], PREFACE)).toBe("");
    expect(await said(["h2"], LIVEZ)).toBe("");
    expect(await said([], PREFACE)).toBe("");
    expect(await said([], LIVEZ)).toMatch(/^HTTP\/1.1 200 /);
    expect(await said(["http/1.1"], LIVEZ)).toMatch(/^HTTP\/1.1 200 /);
  });

  it.for(["h2", "http/1.1"])("is not agreed on anew under TLS 1.2 (%s)", async (protocol) => {
    await using opened = await openTls();
    const socket = await secured(opened.door.port, [protocol], { maxVersion: "TLSv1.2" });
    const closed = readAll(socket).then(() => "closed");
    socket.write(protocol === "h2" ? PREFACE : "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "data"); // By then it has been handed to who speaks that.
    const agreed = new Promise((resolve) => {
      socket.renegotiate({}, (error) => error ?? resolve("agreed"));
    });
    expect(await Promise.race([agreed, closed])).toBe("closed");
  });

  it("needs TLS 1.2 at least", async () => {
    await using opened = await openTls();
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
    expect(await shake(opened.door.port, ["h2"], old)).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    expect(await shake(opened.door.port, ["h2"], { maxVersion: "TLSv1.2" })).toBe("h2");
    expect(await shake(opened.door.port, ["h2"], { minVersion: "TLSv1.3" })).toBe("h2");
  });
});

describe("calls over TLS", () => {
  it.for([
    ["one port", {}],
    ["gRPC's own", OWN_PORT],
  ] as const)("are answered, gRPC and HTTP/1.1 (%s)", async ([, ports]) => {
    await using opened = await openTls(ports);
    const { client, door } = opened;
    expect((await client.increment({ name: "a" })).outcome?.value).toBe(1n);
    const got = await send(door.port, { method: "POST", path: "/v1/counters/a:increment", ca });
    expect(got.json).toMatchObject({ outcome: { value: "2" } });
    const large = {
      operations: Array.from({ length: 8_000 }, (_, i) => ({ name: `n${i}`, operation: "reset" })),
    };
    const refused = await send(door.port, {
      method: "POST",
      path: "/v1/counters:batchApply",
      ca,
      body: large,
    });
    expect(refused.error?.reason).toBe("INVALID_FIELD"); // Some 300 kB came through whole.
  });

  it("are not made by a client that knows another authority, or that asked for another name", async () => {
    await using opened = await openTls();
    using other = authority();
    const stranger = new Client(opened.door.port, {}, other.ca);
    expect(await refusal(stranger.increment({ name: "a" }))).toMatchObject({ status: "UNAVAILABLE" });
    stranger.close();
    expect(await shake(opened.door.port, ["h2"], { servername: "counters.example" })).toBe(
      "ERR_TLS_CERT_ALTNAME_INVALID",
    );
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });
});

describe("pages in browsers", () => {
  it.for([
    ["https://counters.example", "counters.example", 200],
    ["https://counters.example:8443", "counters.example:8443", 200],
    ["https://127.0.0.1:8443", "127.0.0.1:8443", 200],
    ["http://localhost", "localhost", 403], // Another server's, for here is no plaintext.
    ["http://counters.example:443", "counters.example", 403],
    ["https://evil.example", "counters.example", 403],
  ] as const)("of %s, who asked for %s, may count: %d", async ([origin, host, status]) => {
    await using opened = await openTls();
    const path = "/v1/counters/a:increment";
    const got = await send(opened.door.port, { method: "POST", path, headers: { origin, host }, ca });
    expect([got.status, got.error?.reason]).toEqual([
      status,
      status === 403 ? "ORIGIN_NOT_ALLOWED" : undefined,
    ]);
  });
});

describe("who does not come to speak TLS", () => {
  it.for(["the one port", "gRPC's own"])(
    "is closed with no more than a line at debug (%s)",
    async (which) => {
      await using opened = await openTls(OWN_PORT);
      const port = which === "gRPC's own" ? opened.door.grpcPort : opened.door.port;
      for (const text of [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0\x01\x02\x03\xff",
      ]) {
        const socket = connect(port, "127.0.0.1");
        socket.write(text, "latin1");
        await readAll(socket);
      }
      expect(opened.logged.map(({ event }) => event)).toEqual(Array(3).fill("tls.handshake_failed"));
      expect(opened.logged[0]!.fields).toEqual({ code: "ERR_SSL_HTTP_REQUEST" });
    },
  );

  it.for(["the one port", "gRPC's own"])("is closed in time when it stays silent (%s)", async (which) => {
    // Long enough for the last of them to shake hands, on a busy machine too.
    await using opened = await openTls({ ...OWN_PORT, limits: { firstBytesMs: 500 } });
    const port = which === "gRPC's own" ? opened.door.grpcPort : opened.door.port;
    await readAll(connect(port, "127.0.0.1"));
    const half = connect(port, "127.0.0.1");
    half.write(Buffer.from([0x16, 3, 1, 2, 0])); // The head of a ClientHello, which does not follow.
    await readAll(half);
    await readAll(await secured(port, which === "gRPC's own" ? ["h2"] : []));
    expect(opened.logged.map(({ fields }) => fields)).toEqual(
      Array(2).fill({ code: "ERR_TLS_HANDSHAKE_TIMEOUT" }),
    );
  });

  it("counts among the connections", async () => {
    await using opened = await openTls({ limits: { connectionsMax: 1 } });
    const silent = connect(opened.door.port, "127.0.0.1");
    await once(silent, "connect");
    expect(await shake(opened.door.port, ["h2"])).toBe("ECONNRESET");
    silent.destroy();
  });
});

describe("draining over TLS", () => {
  it("answers the calls in flight, and waits for nobody who never spoke or shook hands", async () => {
    let held: ReturnType<typeof gate>;
    const opened: Opened = await openTls({
      limits: { firstBytesMs: 3_600_000 },
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const { client, door } = opened;
    const call = client.increment({ name: "a" });
    await expect.poll(() => held.count()).toBe(1);
    const silent = connect(door.port, "127.0.0.1");
    await once(silent, "connect");
    const shaken = await secured(door.port, ["h2"]);
    const closed = Promise.all([readAll(silent), readAll(shaken)]);
    const drained = door.drain(60_000);
    await closed;
    held!.open();
    expect((await call).outcome?.value).toBe(1n);
    client.close();
    await drained;
    opened.certificate?.close();
  });

  it("cuts what is left when the grace ends", async () => {
    let held: ReturnType<typeof gate>;
    await using opened: Opened = await openTls({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const call = refusal(opened.client.increment({ name: "a" }));
    await expect.poll(() => held.count()).toBe(1);
    await opened.door.drain(20);
    expect(await call).toMatchObject({
      status: expect.stringMatching(/UNAVAILABLE|CANCELLED/),
      reason: undefined,
    });
    expect(opened.logged).toMatchObject([{ event: "doors.drain_forced", fields: { calls: 1 } }]);
    held!.open();
  });
});

describe("a renewed certificate", () => {
  /** Files of the test's own, to be written over. */
  function files(name: string): CertificateFiles {
    const own = {
      certFile: join(AUTHORITY.folder, `${name}.pem`),
      keyFile: join(AUTHORITY.folder, `${name}.key`),
    };
    put(FILES, own);
    return own;
  }
  function put(from: CertificateFiles, to: CertificateFiles): void {
    copyFileSync(from.certFile, to.certFile);
    copyFileSync(from.keyFile, to.keyFile);
  }
  async function shown(port: number): Promise<string> {
    const socket = await secured(port, ["h2"]);
    const { subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    return `${subjectaltname}`;
  }
  const RENEWED = `${LOCAL_NAMES},DNS:renewed.example`;

  it("is shown on every port once it was asked for; connections that there are live on", async () => {
    const own = files("asked");
    await using opened = await openTls({ ...OWN_PORT, tls: { ...own, ca } });
    const { door, client, certificate } = opened;
    await client.increment({ name: "a" });
    put(AUTHORITY.issue(RENEWED), own);
    expect(await shown(door.grpcPort)).not.toContain("renewed");
    await certificate!.renew();
    expect(await shown(door.grpcPort)).toContain("DNS:renewed.example");
    const got = await send(door.port, { path: "/v1/counters/a", ca });
    expect(got.status).toBe(200);
    const other = connectTls({ port: door.port, host: "127.0.0.1", ca });
    await once(other, "secureConnect");
    expect(other.getPeerCertificate().subjectaltname).toContain("DNS:renewed.example");
    other.destroy();
    expect((await client.increment({ name: "a" })).outcome?.value).toBe(2n);
    await certificate!.renew();
    const told = opened.logged.filter(({ event }) => event !== "tls.handshake_failed"); // Of who only looked.
    expect(told.map(({ event }) => event)).toEqual(["tls.renewed", "tls.unchanged"]);
    expect(told[0]!.fields).toMatchObject({
      names: expect.stringContaining("renewed"),
      valid_to: expect.any(String),
    });
  });

  it("is noticed", async () => {
    const own = files("noticed");
    await using opened = await openTls({ tls: { ...own, ca, checkEveryMs: 5 } });
    put(AUTHORITY.issue(RENEWED), own);
    await expect.poll(() => shown(opened.door.port)).toContain("DNS:renewed.example");
    expect(opened.logged.filter(({ event }) => event === "tls.renewed")).toHaveLength(1);
  });

  it("that cannot be used is told once, and the one before is shown; until it is mended", async () => {
    const own = files("bad");
    await using opened = await openTls({ tls: { ...own, ca, checkEveryMs: 5 } });
    const { door, logged } = opened;
    const told = () => logged.filter(({ event }) => event === "tls.renewal_failed");
    writeFileSync(own.certFile, "half a cert");
    await expect.poll(told).toHaveLength(1);
    expect(told()[0]!.fields).toMatchObject({
      detail: expect.stringMatching(/^The TLS certificate .*bad.pem is no certificate in PEM; expected/),
    });
    expect(await shown(door.port)).not.toContain("renewed");
    await opened.certificate!.renew();
    expect(told()).toHaveLength(2); // Who asks is answered each time.
    put(AUTHORITY.issue(RENEWED), own);
    await expect.poll(() => shown(door.port)).toContain("DNS:renewed.example");
    expect(told()).toHaveLength(2);
  });

  it("that is not valid now is shown all the same, with a warning", async () => {
    const clock = new HandClock(Date.now() + 3 * 86_400_000);
    await using late = await openTls({ tls: { ...FILES, ca, clock } });
    expect(late.logged).toMatchObject([
      { event: "tls.not_valid_now", fields: { names: expect.stringContaining("localhost") } },
    ]);
    expect(await shown(late.door.port)).toContain("localhost");
  });
});
