/** How a server ends when it is told to. A held call keeps it draining for as long as a test needs. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { holdCall } from "./call.ts";
import { folder, serve, Tally } from "./tally.ts";

describe("SIGTERM", () => {
  it("answers the calls in flight, then exits 0", async () => {
    const server = serve();
    const { port } = await server.logged("server.ready");
    const call = await holdCall(port);
    server.child.kill("SIGTERM");
    await server.logged("server.draining");
    expect(await call.finish()).toBe(1n);
    await expect(server.ended).resolves.toMatchObject({ code: 0, signal: null, stderr: "" });
    await expect(server.logged("server.stopped")).resolves.toMatchObject({
      detail: "The store was in memory: every counter is gone.",
    });
  });

  it("says that every answered change is in the store, where there is one that keeps them", async () => {
    const server = serve(["--store", `sqlite:${join(folder(), "tally.db")}`]);
    await server.logged("server.ready");
    server.child.kill("SIGTERM");
    await expect(server.ended).resolves.toMatchObject({ code: 0 });
    await expect(server.logged("server.stopped")).resolves.toMatchObject({
      detail: "Every answered change is in the store.",
    });
  });

  it("waits no longer than the drain grace", async () => {
    const server = serve(["--drain-grace", "50ms"]);
    const call = await holdCall((await server.logged("server.ready")).port);
    server.child.kill("SIGTERM");
    await expect(server.ended).resolves.toMatchObject({ code: 0 });
    await expect(call.finish()).rejects.toThrow();
  });

  it("that comes during the start stops the server as soon as it is up", async () => {
    const server = serve(["--log-level", "debug"]);
    await server.logged("server.starting");
    server.child.kill("SIGTERM");
    await expect(server.ended).resolves.toMatchObject({ code: 0 });
  });

  it("to npm start does the same as to node", async () => {
    const npm = new Tally("npm", ["start", "--", "--listen", "127.0.0.1:0", "--store", "memory:"]);
    const { port, pid } = await npm.logged("server.ready");
    const call = await holdCall(port);
    npm.child.kill("SIGTERM");
    await npm.logged("server.draining");
    expect(await call.finish()).toBe(1n);
    await expect(npm.ended).resolves.toMatchObject({ code: 0 });
    expect(() => process.kill(pid as number, 0)).toThrow("ESRCH");
  });
});

describe("a second signal", () => {
  it.for([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("%s exits at once with %i", async ([signal, code]) => {
    const server = serve(["--drain-grace", "1h"]);
    await holdCall((await server.logged("server.ready")).port);
    server.child.kill(signal);
    await server.logged("server.draining");
    const insist = setInterval(() => server.child.kill(signal), 50);
    await expect(server.ended).resolves.toMatchObject({ code, signal: null });
    clearInterval(insist);
    await server.logged("server.exit_now");
  });

  it("that follows at once is the first one heard twice", async () => {
    const server = serve(["--drain-grace", "1h"]);
    const call = await holdCall((await server.logged("server.ready")).port);
    server.child.kill("SIGINT");
    await server.logged("server.draining");
    server.child.kill("SIGINT");
    expect(await call.finish()).toBe(1n);
    await expect(server.ended).resolves.toMatchObject({ code: 0 });
  });
});
