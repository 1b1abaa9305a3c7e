import { setTimeout as wait } from "node:timers/promises";
import type { WriteStream } from "node:tty";
import { create, toJson } from "@bufbuild/protobuf";
import { type BulkProgress, BulkProgressSchema } from "../../gen/browser/tally/v1/bulk_service_pb.ts";
import { CallError } from "../client/call-error.ts";
import { retryDelayMs } from "../client/retry.ts";
import type { BulkOptions, BulkRequest } from "./bulk-options.ts";
import { confirm, expectSomebody } from "./confirm.ts";
import { counted, figure } from "./count/summary.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { exitOf, failureOf, refusalSentence } from "./failure.ts";
import { LiveLines } from "./live-lines.ts";
import { drawn } from "./long-work.ts";
import type { Output, View } from "./output.ts";
import { dieOf, onStopSignals } from "./signals.ts";
import { EVERY_FIELD } from "./views.ts";
import { visible } from "./visible.ts";

/** Calls the method: what it tells, until it ends or fails. */
type Call = (
  request: BulkRequest & { readonly maxCounters: number },
) => AsyncIterable<{ readonly progress?: BulkProgress | undefined }>;

/** How a command speaks of what it does: "delete", "deleted", and what stands behind "This deletes 3 counters". */
export interface BulkWords {
  readonly what: string;
  readonly done: string;
  readonly so: string;
}

/** Do the same to all counters that are meant, after a question, and print what it has come to. */
export async function bulk(
  output: Output,
  call: Call,
  request: BulkRequest,
  { yes, timeout }: Pick<BulkOptions, "yes" | "timeout">,
  words: BulkWords,
): Promise<void> {
  const { what, done, so } = words;
  const calling = { call, timeoutMs: timeout, done, stop: new AbortController().signal };
  if (!request.dryRun) expectSomebody(yes, what);
  if (request.dryRun || !yes) {
    const { reached: found } = await walk(calling, { ...request, dryRun: true }, () => {}, request.dryRun);
    if (request.dryRun) return output.record(viewOf(found, `WOULD BE ${done.toUpperCase()}`));
    if (found.done > 0n) {
      const which = `${counted(Number(found.done), "counter")}${ofWhich(request)}`;
      const question = `This ${what}s ${which}${so}. Type ${found.done} to go on: `;
      if (!(await confirm(visible(question), `${found.done}`)))
        throw new CommandError(EXIT.FAILURE, `That is not their number; none is ${done}.`);
    }
  }
  const live =
    process.stderr.isTTY && !output.quiet ? new LiveLines(process.stderr as WriteStream) : undefined;
  const draw = drawn(live);
  let shown: Walked = { reached: create(BulkProgressSchema, { lastName: request.after }), inDoubt: 0 };
  const show = (walked: Walked) => {
    shown = walked;
    draw(() => visible(`${figure(Number(walked.reached.done))} ${done}, up to ${walked.reached.lastName}`));
  };
  const stop = new AbortController();
  let interrupted: NodeJS.Signals | undefined;
  onStopSignals({
    first: (signal) => {
      interrupted = signal;
      live?.clear();
      report("Stopping when the slice that is under way is done; another signal stops at once.");
      stop.abort();
    },
    again: (signal) => {
      live?.clear();
      report(visible(standing({ ...shown, inDoubt: shown.inDoubt + SLICE }, done)));
      dieOf(signal);
    },
  });
  const walked = await walk({ ...calling, stop: stop.signal }, request, show, !output.quiet, live);
  const { reached } = walked;
  if (interrupted !== undefined && !reached.complete) {
    report(visible(standing(walked, done)));
    return dieOf(interrupted);
  }
  await output.change(viewOf(reached, done.toUpperCase()));
  if (interrupted !== undefined) return dieOf(interrupted);
  const skipped = Object.keys(reached.skippedByReason).filter((reason) => reason !== "COUNTER_NOT_FOUND");
  if (skipped.length > 0) throw new CommandError(EXIT.REFUSED, undefined);
}

interface Calling {
  readonly call: Call;
  /** How long it may take until something is told, retries included. */
  readonly timeoutMs: number;
  /** What is done: "deleted". */
  readonly done: string;
  /** Begin nothing more. */
  readonly stop: AbortSignal;
}

/** What it has come to. */
interface Walked {
  readonly reached: BulkProgress;
  /** How many more may be done, by calls whose answer was lost. */
  readonly inDoubt: number;
}

/**
 * All of it, also over a server that goes and comes again: from where it was. Slice by slice, each a call of its own: a
 * server runs ahead of who reads what it tells, and so it is known what is done whenever it ends between two.
 *
 * @returns  also where it was stopped; then `reached` is not complete
 */
async function walk(
  { call, timeoutMs, done, stop }: Calling,
  request: BulkRequest,
  show: (walked: Walked) => void,
  tellsSkipped: boolean,
  live?: LiveLines,
): Promise<Walked> {
  const maxCounters = request.dryRun ? 0 : SLICE; // What changes nothing is counted in one go.
  let reached = create(BulkProgressSchema, { lastName: request.after });
  let inDoubt = 0;
  for (let attempt = 1, toldAt = performance.now(); ; attempt++) {
    const before = reached;
    try {
      for await (const { progress } of call({ ...request, maxCounters, after: before.lastName })) {
        reached = sumOf(before, progress!);
        [attempt, toldAt] = [1, performance.now()];
        show({ reached, inDoubt });
        for (const { name, refusal } of tellsSkipped ? progress!.skippedCounters : []) {
          live?.clear();
          report(`${name}: ${refusalSentence(refusal!)}`);
        }
      }
      if (reached.complete || stop.aborted) {
        live?.clear();
        return { reached, inDoubt };
      }
      if (reached.lastName === before.lastName)
        throw new CommandError(
          EXIT.FAILURE,
          `The server ended early. ${standing({ reached, inDoubt }, done)}`,
        );
      attempt = 0;
    } catch (error) {
      live?.clear();
      if (!(error instanceof CallError)) throw error;
      if (!request.dryRun && !isUndone(error)) inDoubt += SLICE;
      if (stop.aborted) return { reached, inDoubt };
      const delayMs = retryDelayMs(error, attempt, Math.random());
      if (delayMs === undefined || performance.now() - toldAt + delayMs > timeoutMs)
        throw request.dryRun ? failureOf(error) : stopped(error, { reached, inDoubt }, done);
      await wait(delayMs, undefined, { signal: stop }).catch(() => {}); // It rejects for the signal alone.
      if (stop.aborted) return { reached, inDoubt };
    }
  }
}

function sumOf(a: BulkProgress, b: BulkProgress): BulkProgress {
  const skippedByReason = { ...a.skippedByReason };
  for (const [reason, count] of Object.entries(b.skippedByReason))
    skippedByReason[reason] = (skippedByReason[reason] ?? 0n) + count;
  return create(BulkProgressSchema, {
    lookedAt: a.lookedAt + b.lookedAt,
    done: a.done + b.done,
    skipped: a.skipped + b.skipped,
    skippedByReason,
    lastName: b.lastName || a.lastName,
    complete: b.complete,
  });
}

/** Whether a call that failed so has done nothing since what it told. */
function isUndone({ reason, message, sent }: CallError): boolean {
  return reason !== undefined ? !/stands/.test(message) : !sent;
}

/** What stands, for who has to go on. */
function stopped(error: CallError, walked: Walked, done: string): CommandError {
  if (walked.reached.lookedAt === 0n && walked.inDoubt === 0) return failureOf(error);
  const why =
    error.reason === undefined ? `No answer from ${error.server} (${error.message})` : error.message;
  const sentence = `${why.replace(/\.$/, "")}. ${standing(walked, done)}`;
  return new CommandError(exitOf(error.status, error.reason), visible(sentence), { cause: error });
}

function standing({ reached: { done: count, lastName }, inDoubt }: Walked, done: string): string {
  const from = lastName === "" ? "Run it again" : `Go on with --after ${lastName}`;
  const told = figure(Number(count));
  return inDoubt === 0
    ? `${told} ${done}. ${from}.`
    : `${told} told as ${done}; up to ${figure(inDoubt)} more may be. ${from}.`;
}

/** Counters in a call: as many as a server does at once. */
const SLICE = 250;

function ofWhich({ prefix, labels, all }: BulkRequest): string {
  if (all) return ", all that there are";
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const begin = prefix === "" ? "" : ` whose names begin with ${prefix}`;
  return `${begin}${pairs.length === 0 ? "" : ` with the labels ${pairs.join(", ")}`}`;
}

function viewOf(reached: BulkProgress, done: string): View {
  const { skipped, lastName } = reached;
  return {
    json: toJson(BulkProgressSchema, reached, EVERY_FIELD),
    value: `${reached.done}`,
    name: lastName,
    cells: { [done]: reached.done, SKIPPED: skipped, "LAST NAME": lastName || "-" },
  };
}
