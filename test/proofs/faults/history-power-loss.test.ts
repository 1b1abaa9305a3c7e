/**
 * Power loss between the data file and its history. What SQLite does not sync may be lost: so a server is killed at any
 * moment, and what its history has in the WAL behind what was synced is cut somewhere, or lost. Opened again, the buckets
 * are what the log is, and nothing has to be set aside.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Level } from "../../../src/core/levels.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { expectHistoryIsLog, Followed } from "../../stores/conformance/history-following.ts";
import { programOf } from "../../support/bundles/command.ts";
import { openFresh } from "../../support/opened.ts";
import { FULL } from "./full.ts";

const LIVES = FULL ? 1_000 : 8;
/** A log that has grown takes long to be compared with. */
const LIVES_A_FILE = 8;
/** On a busy machine a life takes days, by a clock that runs fast, and minutes that are kept no more cannot be asked for. */
const MINUTES_KEPT_MS = DEFAULT_HISTORY.keepMs[Level.MINUTE]!;
const COUNTING = programOf("test/proofs/faults/history-counting.ts");

it(`${LIVES} times: buckets equal the log`, { timeout: LIVES * 30_000 }, async () => {
  const seen = { whole: 0, cut: 0, without: 0 };
  for (let lives = 0; lives < LIVES; ) {
    let folder = "";
    const opened = await openFresh(
      async (dir) => {
        folder = dir;
        return `sqlite:${join(dir, "tally.db")}`;
      },
      { history: DEFAULT_HISTORY },
    );
    const begun = opened.now();
    for (let i = 0; i < LIVES_A_FILE && opened.now() - begun < MINUTES_KEPT_MS / 2; i++, lives++) {
      await opened.store.close();
      const ran = await killedAfter(folder, opened.now(), Math.random() * 400);
      const wal = join(folder, "tally.db-history-wal");
      const harm = (["whole", "cut", "without"] as const)[Math.floor(Math.random() * 3)]!;
      if (harm !== "whole") {
        const [synced, size] = [syncedOf(join(folder, "tally.db-history")), statSync(wal).size];
        truncateSync(wal, harm === "cut" ? synced + Math.floor(Math.random() * (size - synced)) : synced);
      }
      seen[harm]++;
      opened.warnings.length = 0;
      await opened.pass(ran);
      await opened.reopen();
      expect(opened.warnings, harm).toEqual([]);
      const followed = new Followed(opened);
      await expectHistoryIsLog(followed, [""]);
      await followed.stop();
    }
    await opened.dispose();
  }
  console.log(seen);
});

/**
 * How many bytes of a WAL no power loss takes: a checkpoint has it synced before it begins to copy from it, and says up to
 * which frame in the -shm, whose pages a kill leaves as they are.
 *
 * @see https://sqlite.org/walformat.html, WalCkptInfo: nBackfillAttempted
 */
function syncedOf(path: string): number {
  const attempted = readFileSync(`${path}-shm`).readUInt32LE(128);
  const synced = attempted === 0 ? 0 : WAL_HEADER_BYTES + attempted * (FRAME_HEADER_BYTES + PAGE_BYTES);
  const size = statSync(`${path}-wal`).size;
  if (synced > size) throw new Error(`expected ${size} bytes of the WAL at most to be synced, got ${synced}`);
  return synced;
}

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE_BYTES = 4_096;

/** Returns how much time has passed there, by the clock that runs fast. */
async function killedAfter(folder: string, begin: number, ms: number): Promise<number> {
  const child = spawn(process.execPath, [COUNTING, folder, `${begin}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const begun = performance.now();
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
  });
  const exit = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), exit]);
  await sleep(ms);
  child.kill("SIGKILL");
  await exit;
  expect(said).not.toMatch(/Error|missed/); // What else it says is of a clock that runs fast.
  return Math.ceil((performance.now() - begun) * 2_000);
}
