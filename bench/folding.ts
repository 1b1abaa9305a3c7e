import { setImmediate as nextTurn } from "node:timers/promises";
import { ChangeColumns, ChangeKind } from "../src/core/change.ts";
import { CommitColumns } from "../src/core/commit-columns.ts";
import { Folding } from "../src/core/folding.ts";
import { BUCKET_MS, Level } from "../src/core/levels.ts";
import { DEFAULT_HISTORY } from "../src/service/store-history.ts";
import type { LoggedCounter } from "../src/service/store-log.ts";
import { HistoryRowsInMemory } from "../src/stores/memory/history-rows.ts";
import { HistoryTaking } from "../src/stores/shared/history/intake.ts";
import { query } from "../src/stores/shared/history/reading.ts";
import { EndedWalk, tidy } from "../src/stores/shared/history/tidying.ts";
import { median } from "./stats.ts";
import { type Distribution, drawFrom } from "./zipf.ts";

/** `npm run bench:folding`: what it takes to keep what became of counters; see README.md in this folder. */

const COUNTERS = 100_000;
const PAGE_CHANGES = 4_000;
const PAGES = 200;
const START = Date.UTC(2026, 0, 1);

/** Pages as a log reader gives them: full, the counters of each once. */
function pagesOf(distribution: Distribution): CommitColumns[] {
  const draw = drawFrom(distribution, COUNTERS);
  const values = new Float64Array(COUNTERS);
  return Array.from({ length: PAGES }, (_, page) => {
    const changes = new ChangeColumns(PAGE_CHANGES);
    const ids = new Map<number, number>();
    const time = START + page * 40;
    for (let k = 0; k < PAGE_CHANGES; k++) {
      const counter = draw();
      const value = values[counter]!++;
      if (!ids.has(counter)) ids.set(counter, ids.size);
      changes.push(ids.get(counter)!, ChangeKind.ADD, BigInt(value), BigInt(value + 1), value + 1, time);
    }
    return new CommitColumns({
      ends: Uint32Array.of(PAGE_CHANGES),
      positions: Float64Array.of(page + 1),
      numbers: undefined,
      times: Float64Array.of(time),
      counterIds: BigInt64Array.from(ids.keys(), BigInt),
      changes,
    });
  });
}

/** Nanoseconds of CPU that something takes for each of so many: others may have the machine too. */
function nanosecondsEach(count: number, work: () => void): number {
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return ((user + system) * 1e3) / count;
}

async function bytesUsed(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc!();
    await nextTurn(); // Buffers are let go after it.
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const lines: [what: string, figure: string][] = [];
for (const distribution of ["zipf", "uniform"] as const) {
  const pages = pagesOf(distribution);
  const numbers = pages.map(({ counterIds }) => Float64Array.from(counterIds, Number));
  const folds: number[] = [];
  for (let round = 0; round < 7; round++) {
    const folding = new Folding();
    folds.push(
      nanosecondsEach(PAGES * PAGE_CHANGES, () => {
        for (const [i, page] of pages.entries()) folding.fold(page, numbers[i]!);
      }),
    );
  }
  lines.push([`${distribution}: a change folded`, `${median(folds).toFixed(0)} ns`]);

  const before = await bytesUsed();
  const folding = new Folding();
  for (const [i, page] of pages.entries()) folding.fold(page, numbers[i]!);
  lines.push([
    `${distribution}: memory a counter of a minute`,
    `${(((await bytesUsed()) - before) / folding.size).toFixed(0)} bytes`,
  ]);

  const rows = new HistoryRowsInMemory();
  const taking = new HistoryTaking(rows);
  taking.begin();
  const taken = nanosecondsEach(PAGES * PAGE_CHANGES, () => {
    const known = new Set<bigint>();
    for (const [i, commits] of pages.entries()) {
      const met = new Map<number, LoggedCounter>();
      for (const [index, id] of commits.counterIds.entries()) {
        if (known.has(id)) continue;
        known.add(id);
        met.set(index, { name: `counter:${id}`, uid: `${id}`, history: true });
      }
      taking.take({ commits, openings: false, dropped: false, cursor: `${i + 1}` }, met);
      if (i % 25 === 24) taking.flush(); // About once a second at 100,000 changes a second.
    }
    taking.flush();
  });
  lines.push([
    `${distribution}: a change taken in, with counters met and rows in memory`,
    `${taken.toFixed(0)} ns`,
  ]);
  const counters = [...rows.under("")].length;
  const ended = new EndedWalk((numbers) => taking.forget(numbers));
  const packed = nanosecondsEach(counters, () => {
    while (tidy(rows, DEFAULT_HISTORY, START + 3 * 3_600_000, ended));
  });
  lines.push([`${distribution}: a counter's hour packed`, `${(packed / 1_000).toFixed(1)} us`]);
}

// A thousand counters that count each minute: a day of quarters each, asked for by hours.
const rows = new HistoryRowsInMemory();
const taking = new HistoryTaking(rows);
taking.begin();
const COUNTED = 1_000;
const ended = new EndedWalk((numbers) => taking.forget(numbers));
for (let minute = 0; minute < 1_440; minute++) {
  const changes = new ChangeColumns(COUNTED);
  const time = START + minute * BUCKET_MS[Level.MINUTE];
  const met = new Map<number, LoggedCounter>();
  for (let counter = 0; counter < COUNTED; counter++) {
    changes.push(counter, ChangeKind.ADD, BigInt(minute), BigInt(minute + 1), minute + 1, time);
    if (minute === 0) met.set(counter, { name: `c${counter}`, uid: `${counter}`, history: true });
  }
  const commits = new CommitColumns({
    ...{ ends: Uint32Array.of(COUNTED), positions: Float64Array.of(minute + 1), numbers: undefined },
    ...{ times: Float64Array.of(time), changes },
    counterIds: BigInt64Array.from({ length: COUNTED }, (_, counter) => BigInt(counter)),
  });
  taking.take({ commits, openings: false, dropped: false, cursor: `${minute + 1}` }, met);
  taking.flush();
  if (minute % 60 === 59) while (tidy(rows, DEFAULT_HISTORY, time + 10 * 60_000, ended));
}
const edges = Float64Array.from({ length: 25 }, (_, hour) => START + hour * 3_600_000);
const asked = (of: { name: string } | { prefix: string }, level: Level, to: Float64Array) =>
  median(
    Array.from({ length: 7 }, () =>
      nanosecondsEach(1, () => query(rows, { of, level, edges: to }, DEFAULT_HISTORY, START + 86_400_000)),
    ),
  ) / 1e6;
const minutes = Float64Array.from({ length: 1_441 }, (_, minute) => START + minute * 60_000);
lines.push([
  "one counter, a day by minutes, asked for",
  `${asked({ name: "c7" }, Level.MINUTE, minutes).toFixed(2)} ms`,
]);
lines.push([
  "1,000 counters, a day by hours, asked for",
  `${asked({ prefix: "c" }, Level.QUARTER, edges).toFixed(1)} ms`,
]);
lines.push([
  "a day of a counter that counts each minute, in rows",
  `${(rows.bytes() / COUNTED).toFixed(0)} bytes`,
]);
for (const [what, figure] of lines) console.log(`${what.padEnd(72)}${figure.padStart(12)}`);
