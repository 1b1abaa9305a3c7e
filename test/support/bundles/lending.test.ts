import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, expect, it } from "vitest";
import { LentThread } from "./lending.ts";

const dir = mkdtempSync(join(tmpdir(), "tally-lending-"));
afterAll(() => rmSync(dir, { recursive: true }));

const file = join(dir, "bundle.cjs");
writeFileSync(
  file,
  `const { parentPort, threadId, workerData } = require("node:worker_threads");
  let requests = 0;
  setInterval(() => Atomics.add(workerData.ticks, 0, 1), 1);
  parentPort.on("message", ({ id, kind }) => {
    if (kind === "throw") throw new Error("over there");
    requests++;
    parentPort.postMessage({ id, requests, threadId, name: workerData.name, ...(workerData.name === "stuck" && { error: {} }) });
  });`,
);

function lend(name: string) {
  const ticks = new Int32Array(new SharedArrayBuffer(4));
  const options = { workerData: { name, ticks } };
  const thread = new LentThread((url, its) => new Worker(url, its), pathToFileURL(file).href, options);
  let id = 0;
  const ask = async (kind: string) => {
    thread.postMessage({ id: ++id, kind }, []);
    const [answer] = await once(thread, "message");
    return answer as { requests: number; threadId: number; name: string };
  };
  return { thread, ticks: () => Atomics.load(ticks, 0), ask };
}

it("what has closed is lent again, with nothing left of whoever had it", async () => {
  const one = lend("one");
  await one.ask("any");
  const { threadId, ...closed } = await one.ask("close");
  expect(closed).toMatchObject({ requests: 2, name: "one" });
  const ended = once(one.thread, "exit");
  await one.thread.terminate();
  await ended;
  const ticked = one.ticks();
  const other = lend("other");
  expect(await other.ask("any")).toMatchObject({ threadId, requests: 1, name: "other" });
  await expect.poll(other.ticks).toBeGreaterThan(5);
  expect(one.ticks()).toBe(ticked);
  await other.thread.terminate();
});

it.each([
  ["was not asked to", "one", "any"],
  ["could not", "stuck", "close"],
])("what has not closed ends: it %s", async (_, name, kind) => {
  const one = lend(name);
  const { threadId } = await one.ask(kind);
  const ended = once(one.thread, "exit");
  await one.thread.terminate();
  await ended;
  const other = lend("other");
  expect((await other.ask("any")).threadId).not.toBe(threadId);
  await other.thread.terminate();
});

it("two have a thread each, and which throws tells its own alone", async () => {
  const [one, other] = [lend("one"), lend("other")];
  const [{ threadId }, others] = await Promise.all([one.ask("any"), other.ask("any")]);
  expect(others.threadId).not.toBe(threadId);
  const thrown = once(one.thread, "error");
  const ended = new Promise((resolve) => one.thread.once("exit", resolve));
  one.thread.postMessage({ id: 9, kind: "throw" }, []);
  await expect(thrown).resolves.toMatchObject([{ message: "over there" }]);
  expect(await ended).toBe(1);
  expect(await other.ask("any")).toMatchObject({ requests: 2 });
  await other.thread.terminate();
});
