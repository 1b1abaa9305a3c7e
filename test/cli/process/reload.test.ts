/** SIGHUP has a server read its configuration file again: what can take effect does, and a wrong file changes nothing. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { differenceOf, loadConfig, reloaded } from "../../../src/config.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { folder, serve, Tally } from "./tally.ts";

const ROOT_KEY = "a-root-key-of-thirty-two-characters-and-more";

describe("a server whose configuration came through a pipe", () => {
  it("has it, also as a shell's <(...), and keeps it: nothing is read again", async () => {
    const line = `exec "$0" "$1" serve --listen 127.0.0.1:0 --store memory: --config <(echo 'log-level = "debug"')`;
    const server = new Tally("bash", ["-c", line, process.execPath, TALLY]);
    const { port } = await server.logged("server.ready");
    server.child.kill("SIGHUP");
    expect(await server.logged("config.unusable")).toMatchObject({
      detail: "The configuration came through a pipe, which cannot be read again; settings stay as they are.",
    });
    expect(await read(port as number)).toBe(404);
    await server.logged("call.answered"); // At debug.
  });
});

describe("a server whose file is another", () => {
  it("logs each call once log-level is debug, and none once it is not", async () => {
    const { server, port, write } = await serving('log-level = "info"\n');
    expect(await read(port)).toBe(404);
    await write('log-level = "debug"\n');
    expect(await server.logged("config.reloaded")).toMatchObject({ level: "info", changed: ["log-level"] });
    expect(await read(port)).toBe(404);
    expect(await server.logged("call.answered")).toMatchObject({ outcome: "COUNTER_NOT_FOUND" });
    expect(await server.logged("http.refused")).toMatchObject({ status: 404 });
    await write('log-level = "warn"\nstreams-max = 7\n');
    await server.logged("config.restart_needed");
    expect(await read(port)).toBe(404);
    const { stdout } = await stopped(server);
    expect(stdout.match(/call\.answered/g)).toHaveLength(1);
    expect(stdout).not.toContain("server.stopped"); // Which is below it.
  });

  it("logs calls as access-log and slow-call-log say now, and none once they say none", async () => {
    const { server, port, write } = await serving("");
    expect(await read(port)).toBe(404);
    await write('access-log = 1\nslow-call-log = "1ms"\n');
    expect(await server.logged("config.reloaded")).toMatchObject({
      changed: ["access-log", "slow-call-log"],
    });
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    expect(await read(port, { traceparent: `00-${trace}-00f067aa0ba902b7-01` })).toBe(404);
    expect(await server.logged("call.answered")).toMatchObject({
      ...{ level: "info", rpc: "GetCounter", door: "rest", code: "NOT_FOUND", outcome: "COUNTER_NOT_FOUND" },
      trace_id: trace,
    });
    await write("access-log = 0\nstreams-max = 7\n");
    await server.logged("config.restart_needed");
    expect(await read(port)).toBe(404);
    expect((await stopped(server)).stdout.match(/call\.answered/g)).toHaveLength(1);
  });

  it("counts callers by other rates, and believes other proxies", async () => {
    const common = `auth = "required"\nauth-open = "page,docs"\n`;
    const { server, port, write } = await serving(common, ROOT_KEY);
    const forwarded = { "x-forwarded-for": "198.51.100.7" };
    expect(await read(port)).toBe(401);
    expect(await server.logged("call.denied")).toMatchObject({ address: "127.0.0.1" });
    await write(`${common}trusted-proxies = "127.0.0.1"\nrate-tokens = "7"\n`);
    const { changed } = await server.logged("config.reloaded");
    expect(changed).toEqual(["rate-tokens", "trusted-proxies"]);
    expect(await read(port, forwarded)).toBe(401);
    expect((await stopped(server)).stdout).toContain('"address":"198.51.100.7"');
  });

  it("keeps every setting when the file cannot be used, and says why in one line", async () => {
    const { server, port, write } = await serving('log-level = "info"\n');
    await write('log-level = "debug"\nrate-default = "often"\n');
    expect(await server.logged("config.unusable")).toMatchObject({
      level: "error",
      detail: expect.stringMatching(/^rate-default is "often" \(from the file .*\); expected CALLS/),
    });
    expect(await read(port)).toBe(404);
    await write("log-level = \n");
    const { stdout } = await stopped(server);
    expect(stdout).not.toContain("call.answered");
    expect(stdout).not.toContain("config.reloaded");
  });

  it("tells of settings that need a restart, and goes on with those of before", async () => {
    const { server, port, write } = await serving('log-level = "info"\n');
    await write(
      'log-level = "warn"\nstreams-max = 7\n\n[[oidc]]\nalias = "corp"\nissuer = "https://id.example"\naudience = "tally"\n',
    );
    expect(await server.logged("config.restart_needed")).toMatchObject({
      level: "warn",
      settings: ["streams-max", "oidc"],
    });
    expect(await read(port)).toBe(404);
    await stopped(server);
  });
});

describe("what is taken of a configuration that was read again", () => {
  const load = (flags: Record<string, string>) => loadConfig({ flags, env: {} }).config;

  it("is what is marked, and nothing else", () => {
    const [before, after] = [
      load({ "log-level": "info", "streams-max": "7" }),
      load({ "log-level": "warn", "streams-max": "8", "rate-default": "5" }),
    ];
    expect(differenceOf(before, after)).toEqual({
      reloadable: ["rate-default", "log-level"],
      others: ["streams-max"],
    });
    const now = reloaded(before, after);
    expect(now).toEqual({ ...before, logLevel: "warn", rateDefault: after.rateDefault });
    expect(Object.isFrozen(now)).toBe(true);
    expect(differenceOf(now, after)).toEqual({ reloadable: [], others: ["streams-max"] });
  });
});

/** A server with a file of its own; `write` puts another text there and has it read. */
async function serving(text: string, rootKey?: string) {
  const dir = folder();
  const path = join(dir, "tally.toml");
  const own = rootKey === undefined ? "" : `root-key-file = "${join(dir, "root.key")}"\n`;
  if (rootKey !== undefined) writeFileSync(join(dir, "root.key"), `${rootKey}\n`);
  writeFileSync(path, own + text);
  const server = serve(["--config", path]);
  const { port } = await server.logged("server.ready");
  const write = async (next: string) => {
    writeFileSync(path, own + next);
    server.child.kill("SIGHUP");
  };
  return { server, port: Number(port), write };
}

async function read(port: number, headers = {}): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/v1/counters/a`, { headers })).status;
}

async function stopped(server: Tally) {
  server.child.kill("SIGTERM");
  return server.ended;
}
