import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { askRedis } from "../../../bench/redis.ts";
import { freePort } from "../../support/free-port.ts";
import { pause } from "../crash/server-process.ts";

/**
 * Have `redis-cli --pipe` increment names on a new redis-server that fsyncs its append-only file before it answers.
 *
 * @param names  a file, one name a line
 * @returns      seconds from the start of redis-cli to its end
 */
export async function countInRedis(names: string, folder: string): Promise<number> {
  const commands = `${names}.resp`;
  await writeCommands(names, commands);
  const port = await freePort();
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", folder];
  const server = spawn("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", ...durable], {
    stdio: "ignore",
  });
  const exited = once(server, "exit"); // Or an error: there is no redis-server.
  try {
    while ((await Promise.race([askRedis(port, "PING").catch(() => ""), exited])) !== "+PONG") {
      if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
      await pause(20);
    }
    await askRedis(port, "FLUSHALL");
    const startedAt = performance.now();
    const client = spawn("redis-cli", ["-p", `${port}`, "--pipe"], {
      stdio: [openSync(commands, "r"), "pipe", "inherit"],
    });
    const ended = once(client, "close");
    const printed = await text(client.stdout!);
    await ended;
    const seconds = (performance.now() - startedAt) / 1000;
    if (!printed.includes("errors: 0,")) throw new Error(`redis-cli --pipe: ${printed}`);
    return seconds;
  } finally {
    server.kill();
    await exited;
  }
}

async function writeCommands(names: string, to: string): Promise<void> {
  const file = createWriteStream(to, "latin1");
  let rest = "";
  for await (const chunk of createReadStream(names, "latin1")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    const commands = lines.map((name) => `*2\r\n$4\r\nINCR\r\n$${name.length}\r\n${name}\r\n`);
    if (!file.write(commands.join(""), "latin1")) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}
