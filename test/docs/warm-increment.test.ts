/**
 * docs/ARCHITECTURE.md names the files that one warm increment runs.
 *
 * Method: V8 counts how often each function of a server runs. One that runs oftener by the number of calls, when there are
 * so many more of them, is run by each. History follows the log beside it, at its own pace: it is left out; so is what a timer
 * runs, which on a slow machine is as often.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { folder, ROOT, serve } from "../cli/process/tally.ts";
import { Caller } from "../proofs/faults/calls.ts";
import { TALLY_OF_SOURCES } from "../support/bundles/command.ts";

const SOURCES = pathToFileURL(join(ROOT, "src/")).href;
const MORE = 100;
const RUN_BY_TIMERS = ["telemetry/recent.ts", "telemetry/thread.ts"];

it("the files that docs/ARCHITECTURE.md names for an increment are those that one runs", async () => {
  const few = await runsAfter(MORE);
  const many = await runsAfter(2 * MORE);
  const run = new Set<string>();
  for (const [where, count] of many) if (count - (few.get(where) ?? 0) >= MORE) run.add(where.split(" ")[0]!);
  for (const file of RUN_BY_TIMERS) run.delete(file);
  expect(namedIn(readFileSync(join(ROOT, "docs/ARCHITECTURE.md"), "utf8"))).toEqual([...run].sort());
});

/** How often each function of ours has run in a server that answered so many increments and was stopped. */
async function runsAfter(calls: number): Promise<ReadonlyMap<string, number>> {
  const dir = folder();
  const store = `sqlite:${join(dir, "tally.db")}`;
  const tally = serve(["--store", store], {
    command: TALLY_OF_SOURCES,
    env: { NODE_V8_COVERAGE: dir, TALLY_HISTORY: "false" },
  });
  const caller = await Caller.on(Number((await tally.logged("server.ready")).port));
  for (let n = 0; n < calls; n++) {
    const request = { name: "a", requestId: `id-${n}` };
    expect(await caller.call(CounterService.method.increment, request)).toMatchObject({ ok: true });
  }
  caller.close();
  tally.child.kill("SIGTERM");
  expect(await tally.ended).toMatchObject({ code: 0 });
  const runs = new Map<string, number>();
  for (const file of readdirSync(dir).filter((name) => name.startsWith("coverage-"))) {
    const { result }: Coverage = JSON.parse(readFileSync(join(dir, file), "utf8"));
    for (const { url, functions } of result.filter(({ url }) => url.startsWith(SOURCES))) {
      for (const { ranges } of functions) {
        const where = `${url.slice(SOURCES.length)} ${ranges[0]!.startOffset}`;
        runs.set(where, (runs.get(where) ?? 0) + ranges[0]!.count);
      }
    }
  }
  return runs;
}

/** What V8 writes at a process's end, one file a thread. */
interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
    }[];
  }[];
}

/** The files in the table, whose rows are a folder and the names in it. */
function namedIn(text: string): string[] {
  const table = text.slice(text.indexOf("| folder | files of an increment |"));
  const rows = table.slice(0, table.indexOf("\n\n")).split("\n").slice(2);
  const files = rows.flatMap((row) => {
    const [, room, names] = row.split("|").map((cell) => cell.trim());
    return names!.split(", ").map((name) => `${room === "." ? "" : `${room}/`}${name}.ts`);
  });
  return files.sort();
}
