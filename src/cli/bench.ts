import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { CallError } from "../client/call-error.ts";
import { RPC, type TallyClient } from "../client/client.ts";
import { parseAddress } from "../config/quantity.ts";
import { NAME_BYTES_MAX } from "../core/name.ts";
import { BATCH_OPS_MAX } from "../wire/increments.ts";
import { Load, type Measured } from "./bench/load.ts";
import { durationOf, onServer, type Session } from "./client-command.ts";
import { prefixOf } from "./count/options.ts";
import { figure, perSecond } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import type { View } from "./output.ts";
import { dieOf, onStopSignals } from "./signals.ts";

/** `tally bench`: put a server under load, and say what it takes. */
export function define(command: Command): void {
  const whole = (flags: string, about: string, byDefault: number, max: number) =>
    new Option(flags, about).default(byDefault).argParser((text) => wholeNumberOf(text, max));
  command
    .addOption(
      whole("--batch <n>", "increments a call; 1 calls Increment, more BatchApply", 1, BATCH_OPS_MAX),
    )
    .addOption(whole("--concurrency <n>", "calls in flight, over all connections", 64, 10_000))
    .addOption(whole("--connections <n>", "connections", 1, 1_000))
    .addOption(whole("--names <n>", "counters; each increment goes to one by chance", 1_000, 1_000_000))
    .addOption(
      new Option("--duration <duration>", "how long to measure, after a second to warm up")
        .default(10_000, "10s")
        .argParser((text) => durationOf(text, "24h")),
    )
    .option(
      "--prefix <prefix>",
      "text before every name, and before a word of this run's own",
      prefixOf,
      "bench:",
    )
    .option("--cleanup", "delete the counters at the end")
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "table", timeout: TIMEOUT, ownFigures: true, endsItself: true }, run);
  command.addHelpText("after", notes(ABOUT));
}

interface Options {
  readonly batch: number;
  readonly concurrency: number;
  readonly connections: number;
  readonly names: number;
  readonly duration: number;
  readonly prefix: string;
  readonly cleanup?: true;
  readonly timeout: number;
}

async function run({ client, output }: Session, _: [], options: Options): Promise<void> {
  const { batch, concurrency, connections, duration, timeout } = options;
  let signal: NodeJS.Signals | undefined;
  const stop = new AbortController();
  onStopSignals({
    first: (received) => {
      signal = received;
      stop.abort();
    },
    again: dieOf,
  });
  const prefix = `${options.prefix}${client.newRequestId().slice(-12)}:`; // Nobody has counters under it.
  const names = Array.from({ length: options.names }, (_, i) => `${prefix}${i}`);
  if (names.at(-1)!.length > NAME_BYTES_MAX)
    throw new CommandError(
      EXIT.USAGE,
      `--prefix is too long: ${names.at(-1)} is over ${NAME_BYTES_MAX} bytes.`,
    );
  const { server } = client;
  const clients = Array.from({ length: connections }, () => client.another());
  await Promise.all(clients.map((client) => client.call(Health.method.check, {}, { timeoutMs: timeout })));
  if (await isThisMachine(server))
    output.note("The server shares this machine with the load: a server by itself takes more.");

  const live = process.stderr.isTTY && !output.quiet ? new LiveLines(process.stderr) : undefined;
  const now = () => performance.now();
  const load = new Load({ clients, concurrency, batch, names, timeoutMs: timeout, now, random: Math.random });
  await pause(WARM_UP_MS, stop.signal);
  load.restart();
  const startedAt = now();
  const timer = setInterval(() => {
    const ms = now() - startedAt;
    const rate = figure(perSecond(load.measured.increments, ms));
    live?.draw([`${(ms / 1000).toFixed(0)} s  ${rate} increments/s  ${figure(load.measured.failed)} errors`]);
  }, DRAW_MS);
  await pause(duration, stop.signal);
  const ms = now() - startedAt;
  const measured = load.restart(); // The calls in flight are not answered within the time.
  await load.stop();
  clearInterval(timer);
  live?.clear();

  await output.record(resultView(measured, ms, server));
  if (options.cleanup) await deleteAll(client, names, concurrency, timeout);
  else output.note(`Counters are left under ${prefix} (--cleanup deletes them at the end).`);
  for (const client of clients) client.close();
  if (signal !== undefined) dieOf(signal);
  else if (measured.failed > 0)
    throw new CommandError(EXIT.FAILURE, `${figure(measured.failed)} errors; the result says of what kind.`);
}

function resultView({ calls, increments, latencies, errors }: Measured, ms: number, server: string): View {
  const rate = perSecond(increments, ms);
  const percentile = (share: number) => (calls === 0 ? null : latencies.percentileMs(share));
  const [p50, p99, p999] = [percentile(0.5), percentile(0.99), percentile(0.999)];
  const shown = (ms: number | null) => (ms === null ? "-" : `${ms.toFixed(2)} ms`);
  const kinds = [...errors].map(([reason, n]) => `${figure(n)} ${reason}`).join(", ");
  return {
    json: {
      server,
      seconds: Math.round(ms) / 1000,
      incrementsPerSecond: rate,
      callsPerSecond: perSecond(calls, ms),
      increments,
      calls,
      milliseconds: { p50, p99, p999 },
      errors: Object.fromEntries(errors),
    },
    value: `${rate}`,
    cells: {
      INCREMENTS: `${figure(rate)}/s (${figure(increments)} in ${(ms / 1000).toFixed(1)} s)`,
      CALLS: `${figure(perSecond(calls, ms))}/s`,
      P50: shown(p50),
      P99: shown(p99),
      "P99.9": shown(p999),
      ERRORS: kinds === "" ? "none" : kinds,
    },
  };
}

/** Delete what the run made; a counter that it never came to is not there. */
async function deleteAll(
  client: TallyClient,
  names: readonly string[],
  concurrency: number,
  timeoutMs: number,
): Promise<void> {
  const rest = names.values(); // One iterator for all: each takes the next.
  const deleteOn = async () => {
    for (const name of rest) {
      try {
        await client.call(RPC.deleteCounter, { name }, { timeoutMs });
      } catch (error) {
        if (!(error instanceof CallError) || error.reason !== "COUNTER_NOT_FOUND") throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, deleteOn));
}

async function isThisMachine(server: string): Promise<boolean> {
  const { address } = await lookup(parseAddress(server.replace("https://", ""))!.host);
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return address.startsWith("127.") || own.some((found) => found.address === address);
}

/** Resolves after this long, or when told to stop. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, stop.aborted ? 0 : ms);
    stop.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function wholeNumberOf(text: string, max: number): number {
  const number = Number(text);
  if (!/^\d{1,9}$/.test(text) || number < 1 || number > max)
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${max}.`);
  return number;
}

/** For connections, for compilers here and there, and for the counters to be made. */
const WARM_UP_MS = 1_000;
const DRAW_MS = 250;

const TIMEOUT = { about: "a call without an answer for this long is an error", default: "10s", max: "24h" };

const EXAMPLES = `Examples:
  tally bench --cleanup                        single increments, 64 at a time
  tally bench --batch 1000 --concurrency 4     batches
  tally bench --connections 8 --names 100000 --duration 1m
  tally bench -o value                         only the rate, for scripts
`;

const ABOUT = `
Each increment has a request id, as those of every client have. Times are from sending a call to its answer, which
leaves the server when the increment is on disk. Calls are not tried again: what fails is counted by its reason.`;
