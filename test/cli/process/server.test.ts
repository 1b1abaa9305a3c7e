/** A server as tests and tools embed it: no process, no command line. */
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Config, loadConfig } from "../../../src/config.ts";
import { startServer } from "../../../src/server.ts";
import type { LogEvent } from "../../../src/telemetry/log-events.ts";
import { NO_TELEMETRY, type Telemetry } from "../../../src/telemetry.ts";
import { authority } from "../../support/certificates.ts";
import { send } from "../../transports/http.ts";
import { holdCall } from "./call.ts";
import { folder } from "./tally.ts";

describe("a server", () => {
  it("listens on a free port, answers, and closes when its calls are answered", async () => {
    const server = await startServer(configOf({}), { telemetry: NO_TELEMETRY });
    expect(server.address).toEqual({ host: "127.0.0.1", port: expect.any(Number) });
    const call = await holdCall(server.address.port);
    const closed = server.close();
    expect(await call.finish()).toBe(1n);
    await closed;
    await server.close(); // A second time changes nothing.
    await expect(holdCall(server.address.port)).rejects.toThrow("ECONNREFUSED");
  });

  it("that cannot listen gives its store back", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    const first = await startServer(configOf({}), { telemetry: NO_TELEMETRY });
    onTestFinished(() => first.close());
    const listen = `127.0.0.1:${first.address.port}`;
    await expect(startServer(configOf({ listen, store }), { telemetry: NO_TELEMETRY })).rejects.toMatchObject(
      {
        reason: "ADDRESS_IN_USE",
      },
    );
    await (await startServer(configOf({ store }), { telemetry: NO_TELEMETRY })).close();
  });

  it.each([
    ["its port is taken", "ADDRESS_IN_USE", (taken: string) => ({ listen: taken })],
    ["its port for gRPC is", "ADDRESS_IN_USE", (taken: string) => ({ "grpc-listen": taken })],
    ["its port for metrics is", "ADDRESS_IN_USE", (taken: string) => ({ "metrics-listen": taken })],
    ["two of its ports are one", "ADDRESS_IN_USE", () => ({ listen: FREE, "grpc-listen": FREE })],
    ["its address is of another machine", "ADDRESS_UNKNOWN", () => ({ "metrics-listen": "192.0.2.1:0" })],
    ["nobody could administrate", "CREDENTIALS_UNUSABLE", () => ({ auth: "required" })],
    ["and archive", "CREDENTIALS_UNUSABLE", () => ({ auth: "required", ...archived() })],
    [
      "its root key is missing",
      "CREDENTIALS_UNUSABLE",
      () => ({ auth: "optional", "root-key-file": "/none" }),
    ],
    [
      "its certificate is",
      "CERTIFICATE_UNUSABLE",
      () => ({ "tls-cert-file": "/none", "tls-key-file": "/none" }),
    ],
  ] as const)("that is refused a start makes no file: %s", async (_, reason, flagsOf) => {
    const dir = folder();
    const other = await startServer(configOf({}), { telemetry: NO_TELEMETRY });
    onTestFinished(() => other.close());
    const flags = flagsOf(`127.0.0.1:${other.address.port}`);
    const config = configOf({ store: `sqlite:${join(dir, "tally.db")}`, ...flags });
    await expect(startServer(config, { telemetry: NO_TELEMETRY })).rejects.toMatchObject({ reason });
    const { archiveDir, backupDir } = config;
    for (const each of [dir, archiveDir, backupDir])
      expect(each === undefined ? [] : readdirSync(each)).toEqual([]);
  });

  it("that is refused a start leaves an empty file as it was, and a history that it cannot use", async () => {
    const dir = folder();
    const path = join(dir, "tally.db");
    const store = `sqlite:${path}`;
    writeFileSync(path, "");
    const refused = (flags: Record<string, string>) =>
      expect(startServer(configOf({ store, ...flags }), { telemetry: NO_TELEMETRY })).rejects;
    await refused({ auth: "required" }).toMatchObject({ reason: "CREDENTIALS_UNUSABLE" });
    expect([readdirSync(dir), statSync(path).size]).toEqual([["tally.db"], 0]);
    await (await startServer(configOf({ store }), { telemetry: NO_TELEMETRY })).close();
    const newer = new Database(`${path}-history`);
    newer.pragma("user_version = 1000");
    newer.close();
    for (const suffix of ["", "-lock"]) rmSync(path + suffix);
    await refused({}).toMatchObject({ reason: "STORE_UNUSABLE" });
    expect(readdirSync(dir)).toEqual(["tally.db-history"]);
  });

  it("that would open what is guarded to everybody leaves no more beside it than there was", async () => {
    const dir = folder();
    const path = join(dir, "tally.db");
    const [rootKey, store] = [join(folder(), "root"), `sqlite:${path}`];
    writeFileSync(rootKey, "k".repeat(32));
    const guarded = configOf({ store, auth: "required", "root-key-file": rootKey });
    const warned: LogEvent[] = [];
    const telemetry: Telemetry = {
      ...NO_TELEMETRY,
      log: (event) => void (event === "store.warning" && warned.push(event)),
    };
    const first = await startServer(guarded, { telemetry });
    const made = await send(first.address.port, {
      method: "POST",
      path: "/v1/admin/principals",
      headers: { authorization: `Bearer ${"k".repeat(32)}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "web" }),
    });
    expect(made.status).toBe(200);
    await first.close();
    const [all, open] = [readdirSync(dir), configOf({ store })];
    const refusal = { reason: "CREDENTIALS_UNUSABLE", message: expect.stringContaining("has principals") };
    await expect(startServer(open, { telemetry })).rejects.toMatchObject(refusal);
    expect(readdirSync(dir)).toEqual(all);
    // A file of an older time, or put back: without a history it is as it was, so the next one begins without a word.
    const db = new Database(path);
    db.exec("UPDATE history_binding SET log_id = NULL, position = NULL, sum = NULL");
    db.close();
    for (const suffix of ["-history", "-lock"]) rmSync(path + suffix);
    await expect(startServer(open, { telemetry })).rejects.toMatchObject(refusal);
    expect(readdirSync(dir)).toEqual(["tally.db"]);
    await (await startServer(guarded, { telemetry })).close();
    expect([readdirSync(dir), warned]).toEqual([all, []]);
  });

  it("keeps what it counted for the next one", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    for (const expected of [1n, 2n]) {
      const server = await startServer(configOf({ store }), { telemetry: NO_TELEMETRY });
      const call = await holdCall(server.address.port);
      expect(await call.finish()).toBe(expected);
      await server.close();
    }
  });

  it.each([
    ["in plaintext on a loopback address", {}, 403],
    ["on localhost", { listen: "localhost:0" }, 403],
    ["there, with its name listed", { "host-names": "evil.example" }, 200],
    ["there, with every name listed", { "host-names": "*" }, 200],
    ["on an address for others", { listen: "0.0.0.0:0", insecure: "true" }, 200],
    [
      "on such, with another name listed",
      { listen: "0.0.0.0:0", insecure: "true", "host-names": "a.example" },
      403,
    ],
    ["over TLS", { tls: "yes" }, 200],
    ["over TLS, with another name listed", { tls: "yes", "host-names": "a.example" }, 403],
  ] as const)(
    "looks at the name that it is asked by: %s",
    async (_, { tls, ...flags }: Record<string, string | undefined>, status) => {
      using certificates = authority();
      const { certFile, keyFile } = certificates.issue();
      const files = tls === undefined ? {} : { "tls-cert-file": certFile, "tls-key-file": keyFile };
      const server = await startServer(configOf({ ...flags, ...files }), { telemetry: NO_TELEMETRY });
      onTestFinished(() => server.close());
      const ca = tls === undefined ? undefined : certificates.ca;
      const ask = (host: string) =>
        send(server.address.port, { path: "/v1/counters", headers: { host }, ca }).then((got) => got.status);
      expect([await ask("evil.example"), await ask("localhost")]).toEqual([status, 200]);
    },
  );

  it("logs nothing in the ordinary course of things", async () => {
    const events: LogEvent[] = [];
    const server = await startServer(configOf({}), {
      telemetry: { ...NO_TELEMETRY, log: (event) => events.push(event) },
    });
    await server.close();
    expect(events).toEqual([]);
  });
});

/** Whoever has it: two listen on it at a time. */
const FREE = "127.0.0.1:28911";

function archived() {
  return { "archive-dir": folder(), "backup-dir": folder(), "backup-every": "1h" };
}

function configOf(flags: Record<string, string | undefined>): Config {
  return loadConfig({ flags: { listen: "127.0.0.1:0", store: "memory:", ...flags }, env: {} }).config;
}
