/** Independent clients over TLS, each with the authority that it is told to trust, and refused without. */
import { afterAll, describe, expect, it } from "vitest";
import { authority } from "../support/certificates.ts";
import { describeWith, program } from "../support/needs.ts";
import { type Opened, open } from "../transports/door.ts";
import { byEngine } from "../transports/engine.ts";
import { bufCurl } from "./clients/buf-curl.ts";
import { run } from "./clients/client.ts";
import { grpcurl } from "./clients/grpcurl.ts";
import { python } from "./clients/python.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const { ca, caFile } = AUTHORITY;
const FILES = AUTHORITY.issue();

const OWN_PORT = { grpcListen: { host: "127.0.0.1", port: 0 } };

function openTls(options: Parameters<typeof open>[0] = {}): Promise<Opened> {
  return open({ tls: { ...FILES, ca }, ...options });
}

for (const client of [bufCurl, grpcurl, python]) {
  describeWith(client.needs, `${client.name} over TLS`, () => {
    it.for([
      ["the one port", {}],
      ["gRPC's own", OWN_PORT],
    ] as const)("counts, and decodes a refusal (%s)", async ([, ports]) => {
      await using opened = await openTls(ports);
      const calling = await client.open(`localhost:${opened.door.grpcPort}`, undefined, caFile);
      expect(await calling.call("Increment", { name: "a", amount: "7" })).toMatchObject({
        ok: { outcome: { name: "a", value: "7" } },
      });
      expect(await calling.call("GetCounter", { name: "none" })).toEqual({
        error: { status: "NOT_FOUND", reason: "COUNTER_NOT_FOUND", metadata: { name: "none" } },
      });
      await calling.close();
    });
  });
}

describeWith([program("curl")], "curl over TLS", () => {
  /** What is agreed on where HTTP/2 is offered: decision 0014, and our own engine. */
  const OFFERED = byEngine({ "grpc-js": "1.1", own: "2" });

  it.for([
    ["as it comes", [], OFFERED],
    ["with HTTP/2", ["--http2"], OFFERED],
    ["with HTTP/1.1", ["--http1.1"], "1.1"],
    ["without ALPN", ["--no-alpn"], "1.1"],
    ["with TLS 1.2", ["--tls-max", "1.2"], OFFERED],
  ] as const)("counts (%s)", async ([, args, version]) => {
    await using opened = await openTls();
    const url = `https://localhost:${opened.door.port}/v1/counters/a:increment`;
    const written = ["-w", "\n%{http_version}"];
    const counted = await run("curl", ["-sS", ...args, ...written, "--cacert", caFile, "-X", "POST", url]);
    expect(counted.stderr).toBe("");
    const [body, spoken] = counted.stdout.split(/\n(?=[\d.]+$)/);
    expect(JSON.parse(body!)).toMatchObject({ outcome: { value: "1" } });
    expect(spoken).toBe(version);
  });

  it("hangs up on a certificate that it does not trust, or for another name", async () => {
    await using opened = await openTls();
    const { port } = opened.door;
    const UNTRUSTED = 60; // curl's own exit code.
    const stranger = await run("curl", ["-sS", `https://localhost:${port}/livez`]);
    expect(stranger.code).toBe(UNTRUSTED);
    const to = ["--connect-to", `counters.example:${port}:127.0.0.1:${port}`];
    const misnamed = await run("curl", [
      "-sS",
      "--cacert",
      caFile,
      ...to,
      `https://counters.example:${port}/livez`,
    ]);
    expect(misnamed.code).toBe(UNTRUSTED);
  });
});

describe("openssl s_client", () => {
  it("is shown the whole chain of a certificate, and nothing older than TLS 1.2", async () => {
    await using opened = await openTls();
    const to = ["s_client", "-connect", `127.0.0.1:${opened.door.port}`, "-servername", "localhost"];
    const shown = await run("openssl", [...to, "-CAfile", caFile, "-verify_return_error", "-brief"]);
    expect(shown.stderr).toMatch(/Verification: OK/);
    const old = await run("openssl", [...to, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    expect(old.code).not.toBe(0);
  });
});
