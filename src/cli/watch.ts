import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Command, Option } from "commander";
import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import { CallError } from "../client/call-error.ts";
import { RPC, type TallyClient } from "../client/client.ts";
import { durationOf, onServer, type Session } from "./client-command.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { dieOf, onStopSignals } from "./signals.ts";
import { changeJson, changeLine, liveLines } from "./watch/lines.ts";
import { type Seen, type Times, Watched } from "./watch/watched.ts";

/** `tally watch`: read counters again and again, and show how they move. */
export function define(command: Command): void {
  command
    .argument("<name...>", "the counters, also such as are not there yet; up to 1,000")
    .addOption(
      new Option("--interval <duration>", "from one read to the next")
        .default(1_000, "1s")
        .argParser((text) => durationOf(text, "24h")),
    )
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "table", formats: ["table", "json"], endsItself: true }, run);
  command.addHelpText("after", notes(ABOUT));
}

async function run(session: Session, [names]: [string[]], { interval }: { interval: number }): Promise<void> {
  const { client, output } = session;
  const counters = [...new Set(names)].map((name) => new Watched(name));
  if (counters.length > NAMES_MAX)
    throw new CommandError(EXIT.USAGE, `${counters.length} counters are too many; at most ${NAMES_MAX}.`);
  const live = process.stdout.isTTY && output.format === "table" ? new LiveLines(process.stdout) : undefined;
  const say = (sentence: string) => {
    if (live === undefined) output.note(sentence);
    else if (!output.quiet) live.print(`${sentence}\n`);
  };
  const end = (signal: NodeJS.Signals) => {
    live?.end();
    dieOf(signal);
  };
  onStopSignals({ first: end, again: end });

  let state: "not seen" | "there" | "away" = "not seen";
  for (;;) {
    const nextAt = performance.now() + interval;
    try {
      const seen = await readAll(client, counters, state === "not seen" ? {} : { attemptsMax: 1 });
      if (state === "away") say("The server answers again.");
      state = "there";
      await show(session, live, counters, seen);
    } catch (error) {
      if (state === "not seen" || !isAway(error)) throw error;
      if (state === "there") say(`No answer from ${client.server} (${error.message}); trying again.`);
      state = "away";
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextAt - performance.now())));
  }
}

async function readAll(
  client: TallyClient,
  counters: readonly Watched[],
  options: { attemptsMax?: number },
): Promise<Seen[]> {
  const names = counters.map(({ name }) => name);
  const { results } = await client.call(RPC.batchGetCounters, { names }, options);
  return results.map(({ result }) =>
    result.case === "counter"
      ? { value: result.value.value, uid: result.value.uid, ...timesOf(result.value) }
      : { reason: result.value?.reason ?? "" },
  );
}

function timesOf({ windowEnd, fullTime, expireTime }: Counter): Times {
  return {
    ...(windowEnd && { windowEnd: timestampDate(windowEnd) }),
    ...(fullTime && { fullTime: timestampDate(fullTime) }),
    ...(expireTime && { expireTime: timestampDate(expireTime) }),
  };
}

async function show(
  { output }: Session,
  live: LiveLines | undefined,
  counters: readonly Watched[],
  seen: readonly Seen[],
): Promise<void> {
  const at = performance.now();
  const time = new Date();
  for (const [i, counter] of counters.entries()) {
    const moved = counter.update(seen[i]!, at);
    if (moved === undefined || live !== undefined) continue;
    if (output.format === "json") await output.line(JSON.stringify(changeJson(time, counter, moved)));
    else await output.line(changeLine(time, counter, moved));
  }
  live?.draw(liveLines(counters, time));
}

/** What passes: a server that restarts, or that takes too long just now. */
function isAway(error: unknown): error is CallError {
  return (
    error instanceof CallError && (error.status === "UNAVAILABLE" || error.status === "DEADLINE_EXCEEDED")
  );
}

/** What one BatchGetCounters takes. */
const NAMES_MAX = 1_000;

const EXAMPLES = `Examples:
  tally watch visits                        a line that moves: value and rates
  tally watch visits orders --interval 250ms
  tally watch visits | tee log              elsewhere a line for each change
  tally watch visits -o json                for scripts, an object a line
`;

const ABOUT = `
The server may restart meanwhile. Ctrl-C ends it. What happens between two reads is seen as one change.`;
