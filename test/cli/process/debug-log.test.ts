/** What `--log-level debug` shows to whoever looks why something is refused. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { serve } from "./tally.ts";

it("every call, and every refusal before one, without a name of a counter", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tally-debug-log-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const server = serve(["--log-level", "debug", "--store", `sqlite:${join(dir, "tally.db")}`]);
  const { port } = await server.logged("server.ready");
  const at = `http://127.0.0.1:${port}/v1/counters`;
  await fetch(`${at}/secret-name:increment`, { method: "POST" });
  await fetch(`${at}/secret-other`);
  await fetch(`${at}/secret-name:increment`, { method: "POST", headers: { origin: "https://evil.example" } });
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-00` };
  await fetch(`http://127.0.0.1:${port}/secret-path`, { headers });
  server.child.kill("SIGTERM");
  const { stdout } = await server.ended;
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const ms = expect.any(Number);
  expect(lines.filter(({ event }) => event === "store.committed")).toEqual([
    expect.objectContaining({ calls: 1, ops: 1, load_ms: ms, decide_ms: ms, save_ms: ms, sync_ms: ms }),
  ]);
  const logged = lines.filter(({ event }) => event === "call.answered" || event === "http.refused");
  expect(logged).toMatchObject([
    { level: "info", event: "call.answered", rpc: "Increment", door: "rest", outcome: "OK", ms },
    { event: "call.answered", rpc: "GetCounter", door: "rest", outcome: "COUNTER_NOT_FOUND" },
    { event: "http.refused", method: "GET", status: 404 },
    { event: "http.refused", method: "POST", status: 403, origin: "https://evil.example" },
    { event: "http.refused", method: "GET", status: 404, trace_id: trace },
  ]);
  expect(stdout).not.toContain("secret");
});

it("nothing of that at info", async () => {
  const server = serve();
  const { port } = await server.logged("server.ready");
  await fetch(`http://127.0.0.1:${port}/nowhere`);
  server.child.kill("SIGTERM");
  expect((await server.ended).stdout).not.toContain("http.refused");
});
