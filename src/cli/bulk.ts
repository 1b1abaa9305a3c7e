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
type Call = (request: BulkRequest) => AsyncIterable<{ readonly progress?: BulkProgress | undefined }>;

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
  const calling = { call, timeoutMs: timeout, done };
  if (!request.dryRun) expectSomebody(yes, what);
  if (request.dryRun || !yes) {
    const found = await walk(calling, { ...request, dryRun: true }, () => {}, request.dryRun);
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
  let told = create(BulkProgressSchema, { lastName: request.after });
  const show = (reached: BulkProgress) => {
    told = reached;
    draw(() => visible(`${figure(Number(reached.done))} ${done}, up to ${reached.lastName}`));
  };
  const leave = (signal: NodeJS.Signals) => {
    live?.clear();
    report(visible(standing(told, done)));
    dieOf(signal);
  };
  onStopSignals({ first: leave, again: dieOf });
  const reached = await walk(calling, request, show, !output.quiet, live);
  await output.change(viewOf(reached, done.toUpperCase()));
  const skipped = Object.keys(reached.skippedByReason).filter((reason) => reason !== "COUNTER_NOT_FOUND");
  if (skipped.length > 0) throw new CommandError(EXIT.REFUSED, undefined);
}

interface Calling {
  readonly call: Call;
  /** How long it may take until something is told, retries included. */
  readonly timeoutMs: number;
  /** What is done: "deleted". */
  readonly done: string;
}

/** All of it, also over a server that goes and comes again: from where it was. What it has come to. */
async function walk(
  { call, timeoutMs, done }: Calling,
  request: BulkRequest,
  show: (reached: BulkProgress) => void,
  tellsSkipped: boolean,
  live?: LiveLines,
): Promise<BulkProgress> {
  let reached = create(BulkProgressSchema, { lastName: request.after });
  for (let attempt = 1, toldAt = performance.now(); ; attempt++) {
    const before = reached;
    try {
      for await (const { progress } of call({ ...request, after: before.lastName })) {
        reached = sumOf(before, progress!);
        [attempt, toldAt] = [1, performance.now()];
        show(reached);
        for (const { name, refusal } of tellsSkipped ? progress!.skippedCounters : []) {
          live?.clear();
          report(`${name}: ${refusalSentence(refusal!)}`);
        }
      }
      live?.clear();
      return reached;
    } catch (error) {
      live?.clear();
      if (!(error instanceof CallError)) throw error;
      const delayMs = retryDelayMs(error, attempt, Math.random());
      if (delayMs === undefined || performance.now() - toldAt + delayMs > timeoutMs)
        throw request.dryRun ? failureOf(error) : stopped(error, reached, done);
      await wait(delayMs);
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

/** What stands, for who has to go on. */
function stopped(error: CallError, reached: BulkProgress, done: string): CommandError {
  const { lookedAt } = reached;
  const nothing =
    lookedAt === 0n && (error.reason !== undefined ? !/stands/.test(error.message) : !error.sent);
  if (nothing) return failureOf(error);
  const why =
    error.reason === undefined ? `No answer from ${error.server} (${error.message})` : error.message;
  const sentence = `${why.replace(/\.$/, "")}. ${standing(reached, done)}`;
  return new CommandError(exitOf(error.status, error.reason), visible(sentence), { cause: error });
}

function standing({ done: count, lastName }: BulkProgress, done: string): string {
  const from = lastName === "" ? "Run it again" : `Go on with --after ${lastName}`;
  return `${figure(Number(count))} told as ${done}; up to one slice more may be. ${from}.`;
}

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
