import type { Command } from "commander";
import type { CounterResult } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { RPC, type TallyClient } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { CommandError, report } from "./exit.ts";
import { exitOfCode, refusalSentence } from "./failure.ts";
import type { Output } from "./output.ts";
import { listedCounter, wholeCounter } from "./views.ts";

/** `tally get`: read counters. */
export function define(command: Command): void {
  command
    .argument("<name...>", "the counters; several are read all as of one moment, up to 1,000 at a time")
    .addHelpText("before", EXAMPLES);
  const formats = ["table", "wide", "json", "yaml", "value"] as const;
  onServer(command, { format: "value", formats }, async ({ client, output }, [names]: [string[]]) => {
    if (names.length > 1) return getAll(client, output, names);
    const { counter } = await client.call(RPC.getCounter, { name: names[0]! });
    await output.record(wholeCounter(counter!));
  });
}

/** What is there is printed, what is not is told. */
async function getAll(client: TallyClient, output: Output, names: readonly string[]): Promise<void> {
  const list = output.list();
  const missing: CounterResult[] = [];
  for (let from = 0; from < names.length; from += NAMES_A_CALL) {
    const { results } = await client.call(RPC.batchGetCounters, {
      names: names.slice(from, from + NAMES_A_CALL),
    });
    await list.add(
      results.map(({ result }) => (result.case === "counter" ? listedCounter(result.value) : undefined)),
    );
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
  tally get a b c -o wide          a line each, with when their windows end
  tally get visits -o json | jq -r .etag
`;
