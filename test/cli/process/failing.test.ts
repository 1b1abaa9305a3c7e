/** How a process ends that must not go on. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { EXIT } from "../../../src/cli/exit.ts";
import { TALLY_OF_SOURCES } from "../../support/bundles/command.ts";
import { holdCall } from "./call.ts";
import { Tally } from "./tally.ts";

it("a store that failed for good: its caller is told, then the process ends within a second or so", async () => {
  const server = start();
  const { port } = await server.logged("server.ready");
  await holdCall(port); // Will never be finished, and must not keep the process.
  const call = await holdCall(port);
  await expect(call.finish()).rejects.toThrow("grpc-status 14"); // UNAVAILABLE: OUTCOME_UNKNOWN
  const failedAt = performance.now();
  await expect(server.ended).resolves.toMatchObject({ code: EXIT.STORE_FAILED, signal: null, stderr: "" });
  expect(performance.now() - failedAt).toBeLessThan(2_000);
  await expect(server.logged("store.failed")).resolves.toMatchObject({
    level: "fatal",
    err: { code: "OUTCOME_UNKNOWN", cause: "SQLITE_IOERR_FSYNC" },
  });
});

it("a store that fails while the server is stopping: the exit code says so", async () => {
  const server = start();
  const call = await holdCall((await server.logged("server.ready")).port);
  server.child.kill("SIGTERM");
  await server.logged("server.draining");
  await expect(call.finish()).rejects.toThrow("grpc-status 14");
  await expect(server.ended).resolves.toMatchObject({ code: EXIT.STORE_FAILED, signal: null, stderr: "" });
  await server.logged("store.failed");
});

it("a defect: it is in the log with its stack, and the process ends at once", async () => {
  const server = start();
  await server.logged("server.ready");
  server.child.kill("SIGUSR2");
  await expect(server.ended).resolves.toMatchObject({ code: EXIT.DEFECT, signal: null, stderr: "" });
  await expect(server.logged("server.failed")).resolves.toMatchObject({
    err: { message: "a seeded defect", stack: expect.stringContaining("failing-store.ts") },
  });
});

function start(): Tally {
  const preload = fileURLToPath(new URL("./failing-store.ts", import.meta.url));
  return new Tally(process.execPath, [
    "--import",
    preload,
    TALLY_OF_SOURCES,
    "serve",
    "--listen",
    "127.0.0.1:0",
  ]);
}
