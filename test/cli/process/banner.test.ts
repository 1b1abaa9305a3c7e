/** What a person sees at the start, and what an operator finds in the log instead. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { authority } from "../../support/certificates.ts";
import { folder, serve, tally } from "./tally.ts";

const { version } = packageJson;

describe("the start banner", () => {
  it("says what runs where, how durable it is, and what to type next", async () => {
    const path = join(folder(), "tally.db");
    const server = serve(["--store", `sqlite:${path}`, "--log-format", "pretty", "--drain-grace", "0s"]);
    const stdout = await printed(server, "Ctrl-C");
    const port = /127\.0\.0\.1:(\d+)/.exec(stdout)![1];
    expect(stdout.replace(/SQLite [\d.]+/, "SQLite 3")).toBe(`
Tally ${version} is serving.

  gRPC   127.0.0.1:${port}, plaintext; this machine only
  HTTP   http://127.0.0.1:${port} (/livez, /readyz)
  page   http://127.0.0.1:${port}/, the API's reference http://127.0.0.1:${port}/docs
  store  SQLite 3, ${path}
         Every answered change is on disk (fsync) before its answer leaves.

Count something, from another terminal (in a checkout, tally is: npx .):

  tally inc hello --server 127.0.0.1:${port}

  grpcurl -plaintext -d '{"name":"hello"}' 127.0.0.1:${port} tally.v1.CounterService/Increment

Stop with Ctrl-C.

`);
  });

  it("warns of an address that others can reach", async () => {
    const stdout = await printed(
      serve(["--listen", "[::]:0", "--insecure", "--log-format", "pretty"]),
      "Ctrl-C",
    );
    expect(stdout).toMatch(
      /gRPC {3}\[::\]:\d+, plaintext; every machine that reaches this address may change/,
    );
    expect(stdout).toMatch(/tally inc hello --server \[::1\]:\d+\n/);
    expect(stdout).toMatch(/grpcurl -plaintext -d '\{"name":"hello"\}' \[::1\]:\d+ /);
  });

  it("says where what is measured is told to whoever asks", async () => {
    const own = ["--store", "memory:", "--metrics-listen", "127.0.0.1:0"];
    const stdout = await printed(serve([...own, "--log-format", "pretty"]), "Ctrl-C");
    expect(stdout).toMatch(
      /\n {2}HTTP .*\n {9}http:\/\/127\.0\.0\.1:\d+ \(\/metrics, \/livez, \/readyz\), to whoever asks\n {2}page /,
    );
    const { metrics_address } = await serve(own).logged("server.ready");
    expect((await fetch(`http://${metrics_address}/metrics`)).status).toBe(200);
  });

  it("says that it speaks TLS, for which names, and how to reach it by one", async () => {
    using made = authority();
    const { certFile, keyFile } = made.issue("IP:127.0.0.1,DNS:*.example,DNS:counters.example");
    const tls = ["--tls-cert-file", certFile, "--tls-key-file", keyFile];
    const stdout = await printed(serve([...tls, "--log-format", "pretty"]), "Ctrl-C");
    expect(stdout).toMatch(/gRPC {3}127\.0\.0\.1:\d+, TLS; this machine only\n {2}HTTP {3}https:\/\//);
    expect(stdout).toMatch(
      / {2}TLS {4}for IP Address:127\.0\.0\.1, DNS:\*\.example, DNS:counters\.example, until \d{4}-\d\d-\d\d\n/,
    );
    expect(stdout).toMatch(/ {2}page {3}https:\/\/counters\.example:\d+\/, the API/);
    expect(stdout).toMatch(/tally inc hello --server https:\/\/counters\.example:\d+\n/);
    expect(stdout).toMatch(/grpcurl -d '\{"name":"hello"\}' counters\.example:\d+ /);
    const ready = await serve(tls).logged("server.ready");
    expect(ready).toMatchObject({
      tls: true,
      names: "IP Address:127.0.0.1, DNS:*.example, DNS:counters.example",
      valid_to: expect.stringMatching(/^\d{4}-.*Z$/),
      try: `tally inc hello --server https://counters.example:${ready.port}`,
    });
  });

  it("is one line of the log when nobody watches: every line of it is JSON", async () => {
    const server = serve();
    const ready = await server.logged("server.ready");
    expect(ready).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      event: "server.ready",
      msg: "Serving.",
      address: `127.0.0.1:${ready.port}`,
      grpc_address: `127.0.0.1:${ready.port}`,
      port: expect.any(Number),
      tls: false,
      store: expect.stringContaining("memory"),
      promise: "Nothing is saved: every counter is gone when this process ends.",
      durability: "none",
      insecure: false,
      auth: "off",
      page: `http://127.0.0.1:${ready.port}/`,
      version,
      node: process.version,
      pid: server.child.pid,
      try: `tally inc hello --server 127.0.0.1:${ready.port}`,
    });
    server.child.kill("SIGTERM");
    const { stdout, stderr } = await server.ended;
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).event),
    ).toEqual(["server.ready", "server.draining", "server.stopped"]);
    expect(stderr).toBe("");
  });
});

describe("help", () => {
  it.each(["count", "bench"])("of %s does not call its JSON numbers strings", async (command) => {
    const { stdout, code } = await tally(["help", command]).ended;
    expect(code).toBe(0);
    expect(stdout).toContain("Exit codes: ");
    expect(stdout).not.toContain("is a string");
  });

  it("begins with examples and tells every setting with its range and default", async () => {
    const { stdout, code } = await tally(["serve", "--help"]).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Examples:\n {2}tally serve /);
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(
      "--drain-grace <duration> how long calls in flight may take to finish after SIGTERM " +
        "(a duration from 0s to 1h; default 8s)",
    );
  });

  it("of the command lists the commands; --version is the package's", async () => {
    const { stdout } = await tally(["--help"]).ended;
    expect(stdout).toMatch(/^Examples:\n/);
    expect(stdout).toMatch(/\n {2}serve +serve counters over gRPC\n/);
    await expect(tally(["--version"]).ended).resolves.toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});

/** All that a server has printed when it has printed this. */
async function printed(server: ReturnType<typeof serve>, text: string): Promise<string> {
  await server.printed(text);
  server.child.kill("SIGKILL");
  return (await server.ended).stdout;
}
