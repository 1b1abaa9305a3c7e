/** docs/security.md is so: its commands, what a page sends, and a service in Kubernetes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config.ts";
import { PERMISSION_WORDS } from "../../src/core/permissions.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { run } from "../cli/cli.ts";
import { TALLY } from "../support/bundles/command.ts";
import { blocksOf } from "./markdown.ts";
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/security.md", { others: ["js", "yaml"] });

const PAGE = readFileSync(path.resolve(import.meta.dirname, "../../docs/security.md"), "utf8");
const [script, ...moreScripts] = blocksOf(PAGE).filter(({ language }) => language === "js");
const [manifest, ...moreManifests] = blocksOf(PAGE).filter(({ language }) => language === "yaml");

describe("docs/security.md", () => {
  const home = mkdtempSync(path.join(tmpdir(), "tally-security-"));
  const rootKey = "root".repeat(10);
  let server: RunningServer;
  let address: string;
  let key: string;

  beforeAll(async () => {
    const rootKeyFile = path.join(home, "root.key");
    writeFileSync(rootKeyFile, rootKey, { mode: 0o600 });
    const flags = {
      listen: "127.0.0.1:0",
      store: "memory:",
      auth: "required",
      "root-key-file": rootKeyFile,
    };
    server = await startServer(loadConfig({ flags, env: {} }).config, { telemetry: NO_TELEMETRY });
    address = `127.0.0.1:${server.address.port}`;
    await asked("POST", "/v1/admin/principals", { name: "shop", grants: ["increment,create@shop."] });
    ({ key } = await asked("POST", "/v1/admin/principals/shop/keys", {}));
  });

  afterAll(async () => {
    await server.close();
    rmSync(home, { recursive: true });
  });

  async function asked(method: string, url: string, body: object): Promise<{ key: string }> {
    const headers = { authorization: `Bearer ${rootKey}`, "content-type": "application/json" };
    const response = await fetch(`http://${address}${url}`, { method, headers, body: JSON.stringify(body) });
    expect(response.status).toBe(200);
    return (await response.json()) as { key: string };
  }

  it("has one page's script and one manifest, which are tried here", () => {
    expect([script, manifest].every((block) => block !== undefined)).toBe(true);
    expect([...moreScripts, ...moreManifests]).toEqual([]);
  });

  it("a page counts with a key, and is told when it may not", async () => {
    // biome-ignore lint/security/noGlobalEval: the page's own words are tried.
    const counts = eval(`(async (server, key) => { ${script!.code}; return outcome; })`);
    expect(await counts(`http://${address}`, key)).toMatchObject({ name: "shop.visits", value: "1" });
    await expect(counts(`http://${address}`, "tally_nobody")).rejects.toThrow(/^CREDENTIAL_INVALID: /);
  });

  it("a service in Kubernetes counts with the key that is mounted", async () => {
    const { spec } = parse(manifest!.code).spec.jobTemplate.spec.template;
    const [container] = spec.containers;
    const [mount] = container.volumeMounts;
    const [volume] = spec.volumes;
    expect(volume).toMatchObject({ name: mount.name, secret: { defaultMode: 0o440 } });
    const env = Object.fromEntries(
      container.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
    );
    expect(path.posix.dirname(env.TALLY_API_KEY_FILE)).toBe(mount.mountPath);
    const mounted = path.join(home, "mounted");
    mkdirSync(mounted);
    writeFileSync(path.join(mounted, path.basename(env.TALLY_API_KEY_FILE)), key, {
      mode: volume.secret.defaultMode,
    });
    const [command, ...args] = container.command;
    expect(command).toBe("tally");
    const ran = await run(process.execPath, [TALLY, ...args], {
      env: {
        ...env,
        TALLY_SERVER: address, // The manifest's own is over TLS, which test/cli/tls.test.ts tries.
        TALLY_API_KEY_FILE: env.TALLY_API_KEY_FILE.replace(mount.mountPath, mounted),
      },
    });
    expect(ran).toEqual({ code: 0, signal: null, stdout: "1\n", stderr: "" });
  });

  it("has every permission", () => {
    const table = PAGE.slice(PAGE.indexOf("| permission |"), PAGE.indexOf("`write` is short"));
    const rows = table.split("\n").map((line) => line.split("|")[1] ?? "");
    expect(rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word))).toEqual(
      PERMISSION_WORDS.map(([word]) => word),
    );
  });
});
