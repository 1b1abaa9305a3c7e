import type { Command } from "commander";
import { CopyError, type CopyFailure } from "../service/copy-errors.ts";
import type { Progress } from "../service/copy-parts.ts";
import type { CopiedBetween } from "../store-tools.ts";
import { counted, figure, perSecond } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { type Format, Output, type View } from "./output.ts";
import { outputOption, quietOption } from "./output-options.ts";
import { dieOf, onStopSignals } from "./signals.ts";
import { startFailureOf } from "./start-failure.ts";

/** `tally copy`: take everything that one store keeps into another. */
export function define(command: Command): void {
  command
    .requiredOption(
      "--from <url>",
      "the store to copy: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
    )
    .requiredOption("--to <url>", "the store to copy into: made if it is missing, empty if it is there")
    .addOption(outputOption(["table", "json", "yaml"]))
    .addOption(quietOption("print no progress and no notes"))
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(async (options: Options) => {
      try {
        await run(options);
      } catch (error) {
        if (error instanceof CopyError) throw new CommandError(COPY_EXITS[error.reason], error.message);
        throw startFailureOf(error);
      }
    });
}

interface Options {
  readonly from: string;
  readonly to: string;
  readonly output: Format;
  readonly quiet?: true;
}

async function run({ from, to, output: format, quiet: quietly }: Options): Promise<void> {
  const { copyBetween } = await import("../store-tools.ts");
  const quiet = quietly ?? false;
  const output = new Output(format, quiet);
  let signal: NodeJS.Signals | undefined;
  const stop = new AbortController();
  onStopSignals({
    first: (received) => {
      signal = received;
      stop.abort();
    },
    again: dieOf,
  });
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const startedAt = performance.now();
  try {
    const copied = await copyBetween(from, to, {
      onProgress: shown(live),
      signal: stop.signal,
      onNote: (sentence) => (live === undefined ? output.note(sentence) : live.print(`${sentence}\n`)),
    });
    live?.clear();
    await output.record(viewOf(copied, performance.now() - startedAt));
  } catch (error) {
    live?.clear();
    if (signal === undefined) throw error;
    if (error instanceof CopyError) output.note(error.message);
    dieOf(signal);
  }
}

/** Draws how far it is, on a terminal. */
function shown(live: LiveLines | undefined): (progress: Progress, total: number) => void {
  if (live === undefined) return () => {};
  let drawnAt = Number.NEGATIVE_INFINITY;
  return ({ phase, counters, changes, requestIds, history }, total) => {
    const now = performance.now();
    if (now - drawnAt < DRAW_MS) return;
    drawnAt = now;
    const doing = phase === "verifying" ? "compared" : "copied";
    const of = phase === "counters" ? ` of ${figure(total)}` : "";
    live.draw([
      `${doing}: counters ${figure(counters)}${of}  changes ${figure(changes)}  request ids ${figure(requestIds)}  ` +
        `history ${figure(history)}`,
    ]);
  };
}

const DRAW_MS = 250;

function viewOf(copied: CopiedBetween, ms: number): View {
  const { counters, sum, changes, requestIds, before, resumed, from, to } = copied;
  const { history } = copied;
  const rows = history === undefined ? 0 : history.rows + history.counters + history.changes;
  const all = counters + changes + requestIds + rows;
  const how = before ? "nothing was left to copy" : resumed ? "a run before had begun it" : "copied";
  return {
    json: {
      from,
      to,
      counters,
      sum: `${sum}`,
      changes,
      requestIds,
      history: history === undefined ? null : { ...history },
      before,
      resumed,
      seconds: Math.round(ms) / 1000,
    },
    value: `${counters}`,
    cells: {
      FROM: from,
      TO: to,
      COUNTERS: `${figure(counters)}, the same in both: uid, revision, value, settings, labels, times`,
      SUM: `${sum}, the same in both`,
      CHANGES: `${figure(changes)}, the same in both, and they sum up to the values`,
      "REQUEST IDS": `${figure(requestIds)}, the same in both, with their answers`,
      HISTORY: historyOf(copied),
      DONE: `${how}, in ${(ms / 1000).toFixed(1)} s (${counted(perSecond(all, ms), "item")}/s)`,
    },
  };
}

function historyOf({ history, historyLeft }: CopiedBetween): string {
  if (historyLeft) return "left where it is: the target can keep none";
  if (history === undefined) return "none copied: it begins with what the change log has";
  const { rows, counters, changes, damagedFrom } = history;
  const all = `${counted(rows, "row")} of ${counted(counters, "counter")}, ${counted(changes, "change")} by name`;
  if (damagedFrom === undefined) return `${all}, the same in both`;
  return `${all}; damaged ones were left out, so from ${new Date(damagedFrom).toISOString()} on it has a gap`;
}

const COPY_EXITS: Readonly<Record<CopyFailure, number>> = {
  REFUSED: EXIT.REFUSED,
  DAMAGED: EXIT.STORE_UNUSABLE,
  DIFFERENT: EXIT.FAILURE,
  STOPPED: EXIT.FAILURE,
};

const EXAMPLES = `Examples:
  tally copy --from sqlite:./tally.db --to postgres://tally:secret@db/tally
  tally copy --from postgres://tally:secret@db/tally --to sqlite:./tally.db
  tally copy --from sqlite:./tally.db --to sqlite:/backup/tally.db
`;

const ABOUT = `
Takes over every counter with its uid, revisions, settings, labels and times; the policies; the change log; the request
ids that live, with their answers and the time they have left; and history. So whoever was counting goes on after it,
retries included, as if nothing had been. Stop the server first: neither store can be served meanwhile. The source stays
as it is, though one of an older schema is brought to this version's, and what its history lacks of the change log is
taken into it.

History goes along whatever the target's configuration says, and goes on where it ended once it is served with history
on. A source without one is copied without: then it begins with what the change log has.

Interrupted at any moment, the same command goes on, or begins anew if the source was changed since. Until the copy has
ended, the target is not served. It ends when both stores were compared, item by item.

Exit codes: 0 done, 1 failure, 2 usage, 4 the target is not empty, 65 a store is damaged, 73 or 75 it cannot be opened or
is in use, 74 it failed meanwhile, 130 Ctrl-C.`;
