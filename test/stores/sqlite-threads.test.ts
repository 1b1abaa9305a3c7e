/** Whether the threads of an SQLite store answer, for who ends a process of which one hangs. */
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { Thread } from "../../src/stores/sqlite/thread.ts";
import { STORES } from "../support/stores.ts";

const [, sqlite] = STORES;

afterEach(() => void vi.restoreAllMocks());

async function open() {
  const opened = await sqlite!.open({
    history: { bytesMax: 2 ** 20, keepMs: [3_600_000, 7_200_000, 10_800_000] },
  });
  onTestFinished(async () => {
    vi.restoreAllMocks();
    await opened.dispose();
  });
  return opened;
}

it("they do: the one that writes, the one that reads, and that of the history", async () => {
  const opened = await open();
  const asked = vi.spyOn(Thread.prototype, "ask");
  await opened.store.threadsAnswer!();
  const alive = asked.mock.contexts.filter((_, i) => asked.mock.calls[i]![0] === "alive");
  expect(new Set(alive).size).toBe(3);
});

it.for([0, 1, 2])("nothing is said while one of them does not (thread %i)", async (hanging) => {
  const opened = await open();
  const letGo = Promise.withResolvers<void>();
  const ask = Thread.prototype.ask;
  let n = 0;
  vi.spyOn(Thread.prototype, "ask").mockImplementation(function (this: Thread, kind, ...rest) {
    const answer = ask.call(this, kind, ...rest);
    return kind === "alive" && n++ === hanging ? letGo.promise.then(() => answer) : answer;
  } as typeof ask);
  let said = false;
  const saying = opened.store.threadsAnswer!().then(() => {
    said = true;
  });
  await opened.store.probeReads(); // By then the others have answered.
  await opened.store.probeWrites(true);
  expect(said).toBe(false);
  letGo.resolve();
  await saying;
});

it("that of the history which has ended is no reason to end the process", async () => {
  const opened = await open();
  const ask = Thread.prototype.ask;
  let n = 0;
  vi.spyOn(Thread.prototype, "ask").mockImplementation(function (this: Thread, kind, ...rest) {
    return kind === "alive" && n++ === 2 ? Promise.reject(new Error("ended")) : ask.call(this, kind, ...rest);
  } as typeof ask);
  await opened.store.threadsAnswer!();
});
