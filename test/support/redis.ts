/** A Redis of a test's own, from Debian's redis-server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { askRedis } from "../../bench/redis.ts";
import { freePort } from "./free-port.ts";
import { program } from "./needs.ts";

export const REDIS = program("redis-server");

/** Start one, in memory alone. It ends with the test. */
export async function redisForTest(flags: readonly string[] = []) {
  const port = await freePort();
  const child = spawn("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", ...flags], {
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  while (!/^[+-]/.test(await askRedis(port, "PING").catch(() => ""))) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { url: `redis://127.0.0.1:${port}`, ask: (command: string) => askRedis(port, command) };
}
