import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import type { CounterResult } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { CallError } from "../client/call-error.ts";
import { RPC, type TallyClient } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { exitOfCode, refusalSentence } from "./failure.ts";
import { withOutlook } from "./history/outlook.ts";
import { oneNameFor } from "./names.ts";
import type { Output, View } from "./output.ts";
import { momentOf } from "./time-settings.ts";
import { listedCounter, pastView, wholeCounter } from "./views.ts";

/** `tally get`: read counters. */
export function define(command: Command): void {
  command
    .argument("<name...>", "the counters; several are read all as of one moment, up to 1,000 at a time")
    .option("--as-of <when>", "what it was then: a time, or how long ago; of one counter", momentOf)
    .addHelpText("before", EXAMPLES);
  const formats = ["table", "wide", "json", "yaml", "value"] as const;
  onServer(
    command,
    { format: "value", formats },
    async ({ client, output }, [names]: [string[]], { asOf }: Options) => {
      oneNameFor(names, { "--as-of": asOf });
      if (asOf !== undefined) return getPast(client, output, names[0]!, asOf);
      if (names.length > 1 || output.format === "wide") return getAll(client, output, names);
      const { counter } = await client.call(RPC.getCounter, { name: names[0]! });
      await output.record(wholeCounter(counter!));
    },
  );
}

interface Options {
  readonly asOf?: Date;
}

async function getPast(client: TallyClient, output: Output, name: string, asOf: Date): Promise<void> {
  const { past } = await client
    .call(RPC.getCounter, { name, asOf: timestampFromDate(asOf) })
    .catch((error: unknown) => {
      if (!(error instanceof CallError && error.status === "NOT_FOUND")) throw error;
      const then = asOf.toISOString();
      throw new CommandError(
        EXIT.NOT_FOUND,
        `No counter was named ${name} at ${then}, as far as history tells.`,
      );
    });
  await output.record(pastView(past!));
  if (past!.gap)
    output.note("Changes before that time are missing in history: the value may be without them.");
}

/** What is there is printed, what is not is told. */
async function getAll(client: TallyClient, output: Output, names: readonly string[]): Promise<void> {
  const list = output.list();
  const missing: CounterResult[] = [];
  for (let from = 0; from < names.length; from += NAMES_A_CALL) {
    const { results } = await client.call(RPC.batchGetCounters, {
      names: names.slice(from, from + NAMES_A_CALL),
    });
    const views: (View | undefined)[] = [];
    for (const { result } of results) {
      const counter = result.case === "counter" ? result.value : undefined;
      const view = counter && listedCounter(counter);
      views.push(output.format === "wide" ? await withOutlook(client, view, counter) : view);
    }
    await list.add(views);
    missing.push(...results.filter(({ result }) => result.case !== "counter"));
  }
  await list.end();
  let exit: number | undefined;
  for (const { name, result } of missing) {
    if (result.case !== "refusal") throw new TypeError(`expected a counter or a refusal for ${name}`);
    const { code, reason, message } = result.value;
    report(refusalSentence({ reason, message, metadata: { name, ...result.value.metadata } }));
    exit ??= exitOfCode(code, reason);
  }
  if (exit !== undefined) throw new CommandError(exit, undefined);
}

const NAMES_A_CALL = 1_000;

const EXAMPLES = `Examples:
  tally get visits                 print its value
  tally get visits orders          both values, as of one moment, a line each,
                                   and an empty one where there is none
  tally get visits -o table        all there is to know about it
  tally get a b c -o wide          a line each, with when their windows end, and
                                   when max is met at the pace of the last hour
  tally get visits --as-of 2026-03-01T06:00:00Z
  tally get visits -o json | jq -r .etag
`;
