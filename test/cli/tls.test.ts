/** Commands over TLS: by flag, by context, by the environment. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { loadConfig } from "../../src/config.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { authority } from "../support/certificates.ts";
import { folder, tally } from "./cli.ts";

const AUTHORITY = authority();
const { certFile, keyFile } = AUTHORITY.issue();
const { caFile } = AUTHORITY;
let server: RunningServer;
let url: string;

beforeAll(async () => {
  const flags = {
    listen: "127.0.0.1:0",
    store: "memory:",
    "tls-cert-file": certFile,
    "tls-key-file": keyFile,
  };
  server = await startServer(loadConfig({ flags, env: {} }).config, { telemetry: NO_TELEMETRY });
  url = `https://localhost:${server.address.port}`;
});

afterAll(async () => {
  await server.close();
  AUTHORITY[Symbol.dispose]();
});

describe("a command over TLS", () => {
  it("counts, with the authority from a flag, the environment or the system", async () => {
    const flag = await tally(["inc", "a", "--server", url, "--ca-file", caFile]);
    expect(flag).toMatchObject({ code: 0, stderr: "" });
    const variable = await tally(["inc", "a"], { env: { TALLY_SERVER: url, TALLY_CA_FILE: caFile } });
    expect(variable).toMatchObject({ code: 0, stderr: "" });
    const system = await tally(["inc", "a", "--server", url], { env: { SSL_CERT_FILE: caFile } });
    expect(system).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("3") });
  });

  it("counts with a context, which has the authority with it, from any folder", async () => {
    const env = { XDG_CONFIG_HOME: folder() };
    expect(await tally(["config", "set", "prod", url, "--ca-file", caFile], { env })).toMatchObject({
      code: 0,
    });
    expect(JSON.parse((await tally(["config", "list", "-o", "json"], { env })).stdout)).toEqual([
      { name: "prod", server: url, caFile, current: true },
    ]);
    expect(await tally(["inc", "b"], { env })).toMatchObject({ code: 0, stderr: "" });
    expect(await tally(["bench", "--duration", "50ms", "--cleanup", "-q"], { env })).toMatchObject({
      code: 0,
    });
    await tally(["config", "set", "prod", url], { env }); // Is all that the context is from now on.
    expect(await tally(["inc", "b"], { env })).toMatchObject({ code: EXIT.UNAVAILABLE });
  });

  it("is made on no server that it does not trust, and says what to do", async () => {
    const { code, stderr } = await tally(["inc", "c", "--server", url]);
    expect(code).toBe(EXIT.UNAVAILABLE);
    expect(stderr).toMatch(
      new RegExp(
        `^tally: The server at ${url} is not trusted, and was asked nothing: .*certificate.*\\. Call it by a name that ` +
          "its certificate has, and say who signed that with --ca-file\\.\n$",
      ),
    );
    expect(await tally(["get", "c", "--server", url, "--ca-file", caFile])).toMatchObject({
      code: EXIT.NOT_FOUND,
    });
  });

  it("takes no file that has no certificates", async () => {
    const path = join(folder(), "ca.pem");
    const sentence =
      `tally: The CA file ${path} is of no use: expected certificates in PEM, each from -----BEGIN CERTIFICATE----- ` +
      "on.\n";
    for (const text of ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]) {
      writeFileSync(path, text);
      const ran = await tally(["get", "a", "--server", url, "--ca-file", path]);
      expect(ran).toEqual({ code: EXIT.CONFIG, signal: null, stdout: "", stderr: sentence });
    }
    const plain = await tally(["config", "set", "x", "h:1", "--ca-file", caFile], {
      env: { XDG_CONFIG_HOME: folder() },
    });
    expect(plain).toMatchObject({
      code: EXIT.USAGE,
      stderr: expect.stringContaining("--ca-file is for TLS"),
    });
  });
});
