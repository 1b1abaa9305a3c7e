import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fromJsonString, toBinary } from "@bufbuild/protobuf";
import { encodeJsonText } from "../src/transports/json/request.ts";
import { ATTACKS, REQUESTS, type Text } from "./json/texts.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, makeDataDirectory } from "./servers.ts";
import { median } from "./stats.ts";

/** `npm run bench:json`: what it takes of the main thread to read JSON; see README.md in this folder. */

/** Beside what it is measured: reading it into objects as the platform does, and by the library for Protobuf. */
const WAYS = {
  tally: ({ schema, text }: Text) => encodeJsonText(schema, text),
  "JSON.parse": ({ text }: Text) => JSON.parse(text.toString()),
  "protobuf-es": ({ schema, text }: Text) => toBinary(schema, fromJsonString(schema, text.toString())),
} as const;
type Way = keyof typeof WAYS;

/** Of a request in a round: the system counts its time by thousandths of a second. */
const ROUND_BYTES = 8 * 2 ** 20;
const QUICK_ROUND_BYTES = 2 ** 20;

const WARM_UP_ROUNDS = 2;

/** Of what nobody sends but to harm, the longest that others may have to wait. */
const ATTACK_MS_MAX = 150;

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-json.md", import.meta.url)),
);
const rounds = options.rounds * (options.quick ? 2 : 5);
cleanUpAtExit();
const machine = describeMachine(makeDataDirectory());
const stolenCpu = watchStolenCpu();
const idleShares = [await idleShare()];

const requests = REQUESTS.map((text) => ({ text, times: timesOf(text) }));
const attacks = ATTACKS.map((text) => {
  const refused = encodeJsonText(text.schema, text.text); // The first is not counted: it is compiled meanwhile.
  const times = Array.from({ length: rounds }, () => msOf("tally", text, 1));
  return { text, times, refused: "code" in refused ? refused.code : "taken" };
});
idleShares.push(await idleShare());

const text = report();
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

/** The ways in turn, round by round, so that what else the machine does hits all of them. */
function timesOf(text: Text): Record<Way, number[]> {
  const again = Math.ceil((options.quick ? QUICK_ROUND_BYTES : ROUND_BYTES) / text.text.length);
  const times: Record<Way, number[]> = { tally: [], "JSON.parse": [], "protobuf-es": [] };
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const way of Object.keys(times) as Way[]) {
      const ms = msOf(way, text, again);
      if (round >= 0) times[way].push(ms); // Those before are for the compiler.
    }
  }
  return times;
}

/** Time of the processor, so that others who use the machine are not in it; they have the caches, though. */
function msOf(way: Way, text: Text, again: number): number {
  const before = process.threadCpuUsage();
  for (let n = 0; n < again; n++) WAYS[way](text);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000 / again;
}

function report(): string {
  const us = (times: number[]) =>
    Math.max(0.1, median(times) * 1_000).toLocaleString("en", { maximumFractionDigits: 1 });
  const ratio = (times: number[], others: number[]) =>
    median(times.map((ms, i) => ms / others[i]!)).toFixed(2);
  return [
    "# What it takes to read JSON",
    "",
    "Written by `npm run bench:json`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    `- Run: ${rounds} rounds of all ways in turn, after ${WARM_UP_ROUNDS} to warm up; time of the processor on the main thread of one process`,
    othersLine(idleShares, stolenCpu()),
    "",
    "## Requests",
    "",
    "From the text to the bytes of the message. JSON.parse alone makes objects, and says nothing of double keys, numbers",
    "that it rounds or fields that there are not. Medians; the ratios are those of the rounds.",
    "",
    ...table(
      [
        "what",
        "bytes",
        "Tally, µs",
        "JSON.parse, µs",
        "protobuf-es, µs",
        "Tally : JSON.parse",
        "Tally : protobuf-es",
      ],
      requests.map(({ text: { what, text }, times }) => [
        what,
        text.length.toLocaleString("en"),
        ...[times.tally, times["JSON.parse"], times["protobuf-es"]].map(us),
        ...[times["JSON.parse"], times["protobuf-es"]].map((others) => ratio(times.tally, others)),
      ]),
    ),
    "",
    "## Bodies of 4 MiB that are no requests",
    "",
    ...table(
      ["what", "median, ms", "longest, ms", "answer", "aim for the median"],
      attacks.map(({ text: { what }, times, refused }) => [
        what,
        median(times).toFixed(0),
        Math.max(...times).toFixed(0),
        refused,
        `<= ${ATTACK_MS_MAX} ms: ${median(times) <= ATTACK_MS_MAX ? "met" : "**missed**"}`,
      ]),
    ),
    "",
  ].join("\n");
}
