/** Traces of a server that is a process: what is sent to a collector, what is not in the way of anything, and what a start refuses. */
import { existsSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TRACING_PACKAGES } from "../../../src/server/opening.ts";
import { Collector } from "../../support/collector.ts";
import { folder, ROOT, serve, type Tally } from "./tally.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const SAMPLED = { traceparent: `00-${TRACE}-${SPAN}-01` };

/** What sends only at the end, so that what comes before that is no matter of time. */
const AT_THE_END = { OTEL_BSP_SCHEDULE_DELAY: "3600000", OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };

/** @returns  the status */
function increment(port: number, headers: Record<string, string> = {}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const path = "/v1/counters/secret-name:increment";
  request({ host: "127.0.0.1", port, method: "POST", path, headers, agent: false }, (response) => {
    response.resume().on("end", () => resolve(response.statusCode!));
  })
    .on("error", reject)
    .end();
  return promise;
}

const portOf = async (server: Tally) => Number((await server.logged("server.ready")).port);

describe("a server whose traces are collected", () => {
  it("sends a call's with its parts before it ends, and begins some as trace-ratio says, which SIGHUP takes", async () => {
    await using collector = await Collector.open();
    const file = join(folder(), "tally.toml");
    writeFileSync(file, "trace-ratio = 0\n");
    const store = `sqlite:${join(folder(), "tally.db")}`;
    const endpoint = `http://user:a-password@127.0.0.1:${collector.port}`;
    const server = serve(["--config", file, "--store", store], {
      env: { ...AT_THE_END, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
    });
    const port = await portOf(server);
    expect(await server.logged("traces.on")).toMatchObject({
      endpoint: expect.stringMatching(`@127.0.0.1:${collector.port}`),
      protocol: "http/json",
    });
    expect(await increment(port, SAMPLED)).toBe(200);
    expect(await increment(port)).toBe(200);
    writeFileSync(file, "trace-ratio = 1\n");
    server.child.kill("SIGHUP");
    expect(await server.logged("config.reloaded")).toMatchObject({ changed: ["trace-ratio"] });
    expect(await increment(port)).toBe(200);
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/a-password|traces\.unsent/);
    const calls = collector.spans.filter(({ kind }) => kind === SERVER);
    expect(calls.map(({ traceId, parentSpanId }) => [traceId === TRACE, parentSpanId])).toEqual([
      [true, SPAN],
      [false, undefined],
    ]);
    expect(calls[0]!.attributes).toMatchObject({
      ...{ "rpc.method": "tally.v1.CounterService/Increment", "rpc.response.status_code": "OK" },
      ...{ "server.address": "127.0.0.1", "server.port": port, "tally.door": "rest" },
    });
    const within = collector.spans.filter(({ parentSpanId }) => parentSpanId === calls[0]!.spanId);
    expect(within.map(({ name, traceId }) => [name, traceId])).toEqual([
      ["commit", TRACE],
      ["queue", TRACE],
    ]);
    const parts = ["load_ms", "decide_ms", "save_ms", "sync_ms"].map((part) => `tally.commit.${part}`);
    expect(Object.keys(within[0]!.attributes)).toEqual(expect.arrayContaining(parts));
    expect(collector.received.map(({ body }) => body.toString()).join()).not.toContain("secret-name");
  });

  it("whose collector is away answers as ever, says so once, and is not long in ending", async () => {
    const server = serve(["--trace-ratio", "1"], {
      env: {
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT: "100" },
        ...{ OTEL_BSP_SCHEDULE_DELAY: "1", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1" },
      },
    });
    const port = await portOf(server);
    expect(await increment(port)).toBe(200);
    expect(await server.logged("traces.unsent")).toMatchObject({ level: "warn" });
    for (let n = 0; n < 20; n++) expect(await increment(port)).toBe(200);
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    expect(stdout.match(/traces\.unsent/g)).toHaveLength(1);
  });
});

/** OTLP's number of it. */
const SERVER = 2;

describe("a start", () => {
  it.each([
    ["http/protobuf", "exporter-trace-otlp-proto"],
    ["http/protobuf", "sdk-trace-base"],
  ])("by %s without the package %s is refused, with what to install", async (protocol, missing) => {
    const server = serve([], {
      env: {
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_PROTOCOL: protocol },
        NODE_OPTIONS: `--import ${without(`@opentelemetry/${missing}`)}`,
      },
    });
    const { code, stderr } = await server.ended;
    expect(stderr).toContain(
      "Traces are asked for (OTEL_EXPORTER_OTLP_ENDPOINT), which takes packages that are not here. " +
        `Beside tally, run: npm install ${TRACING_PACKAGES.join(" ")}`,
    );
    expect(code).toBe(78);
  });

  it("with a variable that cannot be used is refused, before a file is made", async () => {
    const store = join(folder(), "tally.db");
    const server = serve(["--store", `sqlite:${store}`], {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: "user:a-password@collector" },
    });
    const { code, stderr } = await server.ended;
    expect(stderr).toContain("OTEL_EXPORTER_OTLP_ENDPOINT is no URL of HTTP");
    expect(stderr).not.toContain("a-password");
    expect(code).toBe(78);
    expect(existsSync(store)).toBe(false);
  });
});

it("what is to be installed is what package.json has among its optional peers, in versions that it takes", async () => {
  const { default: manifest } = await import(join(ROOT, "package.json"), { with: { type: "json" } });
  const peers = Object.keys(manifest.peerDependencies).filter((name) => name.startsWith("@opentelemetry/"));
  expect(TRACING_PACKAGES.map((each) => each.slice(0, each.lastIndexOf("@"))).sort()).toEqual(peers);
  for (const each of TRACING_PACKAGES) {
    const at = each.lastIndexOf("@");
    const { [each.slice(0, at)]: range } = manifest.peerDependencies;
    expect(range, each).toMatch(new RegExp(`^>=${each.slice(at + 1).replaceAll(".", "\\.")}\\.`));
    expect(manifest.devDependencies[each.slice(0, at)], each).toBe(/^>=([\d.]+) /.exec(range)?.[1]);
  }
});

/** A module that has Node.js not find a package. */
function without(name: string): string {
  const code = `import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== ${JSON.stringify(name)}) return next(specifier, context);
        throw Object.assign(new Error("not here, for a test"), { code: "ERR_MODULE_NOT_FOUND" });
      },
    });`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}
