/**
 * Power loss between the data file and its history. What SQLite does not sync may be lost: so a server is killed at any
 * moment, and what its history has in the WAL is cut somewhere, or lost. Opened again, the buckets are what the log is.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { Level } from "../../../src/core/levels.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { expectHistoryIsLog, Followed } from "../../stores/conformance/history-following.ts";
import { openFresh } from "../../support/opened.ts";
import { FULL } from "./full.ts";

const LIVES = FULL ? 1_000 : 8;
/** A log that has grown takes long to be compared with. */
const LIVES_A_FILE = 8;
/** On a busy machine a life takes days, by a clock that runs fast, and minutes that are kept no more cannot be asked for. */
const MINUTES_KEPT_MS = DEFAULT_HISTORY.keepMs[Level.MINUTE]!;
const COUNTING = fileURLToPath(new URL("./history-counting.ts", import.meta.url));

it(`${LIVES} times: buckets equal the log`, { timeout: LIVES * 30_000 }, async () => {
  const seen = { whole: 0, cut: 0, without: 0, aside: 0 };
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
      if (harm !== "whole")
        truncateSync(wal, harm === "cut" ? Math.floor(Math.random() * statSync(wal).size) : 0);
      seen[harm]++;
      opened.warnings.length = 0;
      await opened.pass(ran);
      await opened.reopen();
      for (const warning of opened.warnings) {
        expect(warning).toMatch(/set aside as .*: it and its -wal do not belong together/);
        expect(harm).toBe("cut"); // To before what was synced, which no power loss does.
        seen.aside++;
      }
      const followed = new Followed(opened);
      await expectHistoryIsLog(followed, [""]);
      await followed.stop();
    }
    await opened.dispose();
  }
  console.log(seen);
});

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
