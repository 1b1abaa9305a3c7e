import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Answer, OpenManyCallsClient } from "./client.ts";

/**
 * Start a client that makes a call for each line that it is given, `{"id": 1, "method": "Increment", "request": {...}}`
 * with what there is of How beside them, and answers with a line, `{"id": 1}` and an Answer, in any order.
 */
export function startLineClient(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, "cwd"> = {},
): OpenManyCallsClient {
  const child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  const waiting = new Map<number, PromiseWithResolvers<Answer>>();
  let calls = 0;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, ...answer } = JSON.parse(line) as Answer & { id: number };
    waiting.get(id)?.resolve(answer);
    waiting.delete(id);
  });
  child.stdin.on("error", () => {}); // It has ended.
  void ended.then(() => {
    for (const { reject } of waiting.values()) reject(new Error(`${command} ended; what it said is above`));
  });
  return {
    call(method, request, how = {}) {
      const id = ++calls;
      const answered = Promise.withResolvers<Answer>();
      waiting.set(id, answered);
      child.stdin.write(`${JSON.stringify({ id, method, request, ...how })}\n`);
      return answered.promise;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
