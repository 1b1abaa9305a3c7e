import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Answer, OpenClient } from "./client.ts";

/**
 * Start a client that makes a call for each line that it is given, `{"method": "Increment", "request": {...}}`, and
 * answers with a line that has an Answer.
 */
export function startLineClient(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, "cwd"> = {},
): OpenClient {
  const child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(method, request) {
      child.stdin.write(`${JSON.stringify({ method, request })}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ended; what it said is above`);
      return JSON.parse(value) as Answer;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
