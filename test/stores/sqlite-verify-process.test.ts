/** A store looked at by a process beside its server: everything is, what is wrong is told, and the server counts on. */
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { VerifyProgress } from "../../src/service/store-findings.ts";
import { apply, batch, commit, increment } from "../support/calls.ts";
import { type Opened, openFresh } from "../support/opened.ts";

let opened: Opened;
let path = "";
beforeEach(async () => {
  opened = await openFresh(async (own) => {
    path = join(own, "tally.db");
    return `sqlite:${path}`;
  });
});
afterEach(() => opened.dispose());

const stop = () => new AbortController();

/** The process that looks, if it is there. */
function child(): number | undefined {
  const found = readdirSync("/proc").find((id) => {
    try {
      const isOurs = readFileSync(`/proc/${id}/status`, "utf8").includes(`PPid:\t${process.pid}\n`);
      return isOurs && readFileSync(`/proc/${id}/cmdline`, "utf8").includes("verify-worker");
    } catch {
      return false; // It has ended meanwhile, or is none.
    }
  });
  return found === undefined ? undefined : Number(found);
}

async function fill(count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await commit(opened.store, batch(Array.from({ length: 500 }, (_, k) => increment(`${i}.${k}`))));
}

it("looks at everything beside its server, giving way to it, and tells how far it is", async () => {
  await fill(10);
  const told: VerifyProgress[] = [];
  let nice: number | undefined;
  const looking = opened.store.verifying!.verify({
    signal: stop().signal,
    onProgress(progress) {
      told.push(progress);
      const pid = child();
      if (pid !== undefined) nice ??= getPriority(pid);
    },
  });
  expect(await apply(opened.store, increment("during"))).toMatchObject({ value: 1n });
  expect(child()).toBeDefined(); // It has hardly begun.
  const { served, counters, findings, more } = await looking;
  expect([served, findings, more]).toEqual([true, [], 0]);
  expect(counters).toBeGreaterThanOrEqual(5_000);
  expect(told.length).toBeGreaterThan(0);
  expect(nice).toBe(5);
  expect(child()).toBeUndefined();
});

it("tells what is not as it was written; sums beyond an int64 come whole", async () => {
  await apply(opened.store, increment("a", 2n ** 63n - 1n));
  await apply(opened.store, increment("b", 2n ** 63n - 1n));
  await apply(opened.store, increment("visits", 5n));
  const before = await opened.store.verifying!.verify({ signal: stop().signal, onProgress: () => {} });
  expect(before).toMatchObject({ sum: 2n ** 64n + 3n, findings: [] });
  await opened.store.close();
  const db = new Database(path);
  db.exec(
    "UPDATE counts SET value = 70 WHERE value = 5; UPDATE recent_counts SET value = 70 WHERE value = 5",
  );
  db.close();
  await opened.reopen();
  const { findings } = await opened.store.verifying!.verify({ signal: stop().signal, onProgress: () => {} });
  expect(findings.map(({ code, name, mend }) => [code, name, mend])).toEqual([
    ["ROW_DAMAGED", "visits", "accept"],
    ["VALUE_UNACCOUNTED", "visits", "accept"],
  ]);
});

it("is ended, and when it is killed says so", async () => {
  await fill(40); // So that there is more to do when it is told to stop, which it is when it has begun.
  const stopping = stop();
  const stopped = opened.store.verifying!.verify({
    signal: stopping.signal,
    onProgress: () => stopping.abort(),
  });
  await expect(stopped).rejects.toMatchObject({ code: "CALL_CANCELLED" });
  const killed = opened.store.verifying!.verify({ signal: stop().signal, onProgress: () => {} });
  process.kill(child()!, "SIGKILL");
  await expect(killed).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    message: "The store could not be verified: the process ended with SIGKILL",
  });
  expect(await apply(opened.store, increment("after"))).toMatchObject({ value: 1n });
});
