import type { Command } from "commander";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { CallError } from "../client/call-error.ts";
import { RPC } from "../client/client.ts";
import { IncrementSender } from "../client/increment-sender.ts";
import { onServer, type Session } from "./client-command.ts";
import { Faults } from "./count/faults.ts";
import { openInput } from "./count/input.ts";
import type { LineSink } from "./count/lines.ts";
import { LinesCounter } from "./count/lines-counter.ts";
import { addNameOptions, type NameOptions, readerOf } from "./count/options.ts";
import { openProgress, type Progress } from "./count/progress.ts";
import { EndlessExpression } from "./count/regex-reader.ts";
import { counted, figure, refusedLines, type Summary, summaryLine, summaryView } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { exitOf, refusalSentence } from "./failure.ts";
import { notes } from "./help.ts";
import { dieOf, onStopSignals } from "./signals.ts";

/** `tally count`: count the lines of files, each exactly once. */
export function define(command: Command): void {
  command
    .argument("[file...]", 'what to read, one name a line; "-" or none: standard input')
    .addHelpText("before", EXAMPLES);
  addNameOptions(command);
  const readsInput = ([files]: unknown[]) => readsStdin(files as string[]);
  onServer(
    command,
    { format: "table", timeout: TIMEOUT, ownFigures: true, endsItself: true, readsInput },
    run,
  );
  command.addHelpText("after", notes(ABOUT));
}

function readsStdin(files: readonly string[]): boolean {
  return files.length === 0 || files.includes("-");
}

interface Options extends NameOptions {
  readonly timeout: number;
}

async function run(session: Session, [files]: [string[]], options: Options): Promise<void> {
  const { client, output } = session;
  const stop = new AbortController();
  const input = await openInput(files, stop.signal);
  await client.call(Health.method.check, {}); // Nothing is read that nobody would take.

  const startedAt = performance.now();
  const typed = process.stdin.isTTY && readsStdin(files);
  const progress = openProgress(process.stderr, { quiet: output.quiet, live: !typed });
  if (typed) progress.print("Type names, one a line; Ctrl-D ends.");
  const faults = new Faults(progress.print);
  const sender = senderFor(session, { options, faults, progress, onFailed: () => stop.abort() });
  const now = () => performance.now();
  const openReader = (sink: LineSink) => readerOf(options, sink, stop.signal, progress.print);
  const counter = new LinesCounter({ openReader, prefix: options.prefix, sender, faults, now });
  const summary = (complete: boolean): Summary => ({
    complete,
    lines: counter.lines,
    sent: sender.sent,
    empty: counter.empties,
    unmatched: counter.unmatcheds,
    refused: faults.byReason(),
    names: counter.distinct.estimate,
    calls: sender.calls,
    retries: sender.retries,
    ms: now() - startedAt,
  });
  let interrupted: NodeJS.Signals | undefined;
  onStopSignals({
    first: (signal) => {
      interrupted = signal;
      stop.abort();
      progress.print("Reading no more; what was read is still counted. Once more to stop without waiting.");
    },
    again: (signal) => {
      progress.end();
      process.stderr.write(`tally: Stopped without waiting: ${summaryLine(summary(false))}.\n`);
      dieOf(signal);
    },
  });

  progress.start(
    () => ({ lines: counter.lines, names: counter.distinct.estimate, bytes: counter.bytes }),
    input.bytes,
  );
  const failure = await counter
    .count(input.chunks)
    .catch((error: unknown) => ({ error }))
    .then(async (unread) => (await sender.finish().catch((error: unknown) => ({ error }))) ?? unread);
  progress.end();

  const isEndless = failure?.error instanceof EndlessExpression;
  if (isEndless) progress.print((failure.error as Error).message);
  const end = summary(failure === undefined && interrupted === undefined);
  if (output.format !== "table") await output.record(summaryView(end));
  else if (!output.quiet) await output.line(`${summaryLine(end)}.`);
  if (failure !== undefined && !isEndless) throw whyStopped(failure.error, end, client.server);
  if (interrupted !== undefined) return dieOf(interrupted);
  const refused = refusedLines(end);
  if (refused > 0)
    throw new CommandError(
      EXIT.REFUSED,
      `${counted(refused, "line was", "lines were")} not counted; the summary says why.`,
    );
}

interface Around {
  readonly options: Options;
  readonly faults: Faults;
  readonly progress: Progress;
  onFailed(): void;
}

function senderFor({ client }: Session, { options, faults, progress, onFailed }: Around): IncrementSender {
  return new IncrementSender({
    attempt: (request, timeoutMs) => client.attempt(RPC.batchApply, request, timeoutMs),
    newRequestId: () => client.newRequestId(),
    now: () => performance.now(),
    random: Math.random,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    timeoutMs: options.timeout,
    onRefused: (name, lines, { reason, message, metadata }) => {
      faults.add(reason, lines, () => refusalSentence({ reason, message, metadata: { ...metadata, name } }));
    },
    onRetry: (error) => progress.retrying(client.server, error, options.timeout),
    onAnswered: progress.answered,
    onFailed,
  });
}

/** What to tell when it ended before its end. */
function whyStopped(error: unknown, { sent }: Summary, server: string): unknown {
  if (!(error instanceof CallError)) return error;
  const rest = [
    `${counted(sent.applied, "line is", "lines are")} counted`,
    sent.unknown > 0 && `${figure(sent.unknown)} were on their way and may or may not be`,
    sent.notSent > 0 && `${figure(sent.notSent)} were read and are not`,
  ].filter((part) => part !== false);
  const sentence = `Gave up on ${server}: ${error.message.replace(/\.$/, "")}. Of what was read, ${rest.join(", ")}.`;
  return new CommandError(exitOf(error.status, error.reason), sentence, { cause: error });
}

const TIMEOUT = {
  about: "give up when no call was answered for this long",
  default: "60s",
  max: "30m", // Request ids are kept for an hour at least.
};

const EXAMPLES = `Examples:
  awk '{print $7}' access.log | tally count --prefix page:
  tally count --field 7 --prefix page: access.log         the same
  tally count --regex 'user=(\\w+)' --prefix user: *.log   what ( and ) enclose
  tally count --json-field request.path events.jsonl      a member of JSON
  tail -f access.log | tally count --field 1              until Ctrl-C ends it
`;

const ABOUT = `
Every line is counted exactly once, also when the server restarts meanwhile. Equal names are summed before they are
sent; should such a sum pass a counter's maximum, it is refused whole.

Names are taken as bytes. What no name can have (anything but printable ASCII, a leading "-") is percent-encoded, and
so is "%" itself: "caf\u00e9 au lait" is counted as caf%C3%A9%20au%20lait. A name over 200 bytes is not counted. A line ends
with a newline and nothing else; empty lines and lines without a match are skipped. The last line says how many of
each there were; the exit code is 4 if lines were not counted. Ctrl-C stops reading, and what was read is counted.`;
