/**
 * Goal: whatever the bytes and however they are cut into chunks, each line is counted under the name that stands for
 * its bytes, or is in exactly one of the numbers that say why not.
 *
 * Method: random bytes, in which newlines and the bytes around the edges of what is legal come often, against a
 * counter of lines that is written as one would write it without a thought of speed.
 */

import { fromBinary } from "@bufbuild/protobuf";
import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { Faults } from "../../../src/cli/count/faults.ts";
import { FILE_END } from "../../../src/cli/count/input.ts";
import { LINE_BYTES_MAX, LineReader, type LineSink, type Pick } from "../../../src/cli/count/lines.ts";
import { LinesCounter } from "../../../src/cli/count/lines-counter.ts";
import { field, jsonField, regex, wholeLine } from "../../../src/cli/count/picks.ts";
import { IncrementSender } from "../../../src/client/increment-sender.ts";
import { answerTo } from "./answer.ts";

const byte = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(
    ..."\n\n\n\n  \t-%.!~ax".split("").map((c) => c.charCodeAt(0)),
    0,
    0x7f,
    0x80,
    0xc3,
    0xa9,
    0xff,
  ),
);
const bytes = fc.array(byte, { maxLength: 2_000 }).map((list) => Buffer.from(list));
const prefix = fc.constantFrom("", "p:", "x".repeat(198));

test.prop([bytes, prefix, fc.array(fc.nat({ max: 300 }), { minLength: 1 })])(
  "every line is counted under a legal name that decodes to it, or said not to be",
  async (input, prefix, cuts) => {
    const { counted, sender, counter, faults } = await count(wholeLine, prefix, cut(input, cuts));
    const lines = linesOf(input);
    const wanted = new Map<string, number>();
    for (const line of lines) {
      const name = prefix + plainlyEncoded(line);
      if (line !== "" && name.length <= 200) wanted.set(line, (wanted.get(line) ?? 0) + 1);
    }
    const got = new Map<string, number>();
    for (const [name, amount] of counted) {
      expect(name).toMatch(/^[!-,.-~][!-~]{0,199}$/);
      expect(name.startsWith(prefix)).toBe(true);
      got.set(decoded(name.slice(prefix.length)), amount);
    }
    expect(got).toEqual(wanted);
    expect(counter.lines).toBe(lines.length);
    expect(counter.empties).toBe(lines.filter((line) => line === "").length);
    expect(sender.sent.applied + faults.total + counter.empties + counter.unmatcheds).toBe(lines.length);
  },
);

test.prop([bytes, fc.integer({ min: 1, max: 4 }), fc.array(fc.nat({ max: 300 }), { minLength: 1 })])(
  "--field finds what awk finds",
  async (input, n, cuts) => {
    const { counted, counter } = await count(field(n), "", cut(input, cuts));
    const wanted = new Map<string, number>();
    for (const line of linesOf(input)) {
      const found = line.split(/[ \t]+/).filter((part) => part !== "")[n - 1];
      const name = found === undefined ? undefined : plainlyEncoded(found);
      if (name !== undefined && name.length <= 200) wanted.set(name, (wanted.get(name) ?? 0) + 1);
    }
    expect(new Map(counted)).toEqual(wanted);
    expect(counter.lines).toBe(linesOf(input).length);
  },
);

it.each<[what: string, pick: Pick, line: string, name: string | undefined]>([
  ["its first group", regex(/user=(\w+)/u), "a user=ann b", "ann"],
  ["what it matches, without a group", regex(/\d+/u), "n 42 43", "42"],
  ["nothing", regex(/\d+/u), "none", undefined],
  ["a group that did not take part", regex(/a|(b)/u), "a", undefined],
  ["text beyond ASCII", regex(/^.(.)/u), "é€x", "%E2%82%AC"],
  ["bytes that are not UTF-8, one by one", regex(/^.(.)/u), "\xe9\xe8\xe7", "%E8"],
  ["a member of a member", jsonField(["a", "b"]), '{"a":{"b":"x y"}}', "x%20y"],
  ["an escaped text as its UTF-8", jsonField(["a"]), '{"a":"caf\\u00e9"}', "caf%C3%A9"],
  ["a text in UTF-8", jsonField(["a"]), '{"a":"café"}', "caf%C3%A9"],
  ["a number as it is written", jsonField(["a"]), '{"a":12345678901234567890.10}', "12345678901234567890.10"],
  ["true", jsonField(["a"]), '{"a":true}', "true"],
  ["an element of an array", jsonField(["a", "1"]), '{"a":[5,6]}', "6"],
  ["a member that is not there", jsonField(["a", "b"]), '{"a":1}', undefined],
  ["what every object has", jsonField(["constructor", "name"]), "{}", undefined],
  ["null", jsonField(["a"]), '{"a":null}', undefined],
  ["an object", jsonField(["a"]), '{"a":{}}', undefined],
  ["half a surrogate pair", jsonField(["a"]), '{"a":"\\ud800"}', undefined],
  ["not JSON", jsonField(["a"]), "a", undefined],
  ["not UTF-8", jsonField(["a"]), '{"a":"\xe9\xe8"}', undefined],
])("of a line is picked: %s", async (what, pick, line, name) => {
  const input = Buffer.from(`${line}\n`, /not UTF-8/.test(what) ? "latin1" : "utf8");
  const { counted, counter } = await count(pick, "", [input]);
  expect(counted).toEqual(name === undefined ? [] : [[name, 1]]);
  expect(counter.unmatcheds).toBe(name === undefined ? 1 : 0);
});

it("files end their last lines, newline or not", async () => {
  const parts = ["a\nb", FILE_END, "c\n", FILE_END, "c", FILE_END];
  const { counted, counter } = await count(
    wholeLine,
    "",
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)),
  );
  expect(new Map(counted)).toEqual(new Map([["a", 1], ["b", 1], ["c", 2]])); // biome-ignore format: a table
  expect(counter.lines).toBe(4);
});

it("what stands after the last newline is not counted when somebody stops: it may be half a line", async () => {
  const { counted, counter } = await count(wholeLine, "", [Buffer.from("whole\nhal")]);
  expect(counted).toEqual([["whole", 1]]);
  expect(counter.lines).toBe(1);
});

it("a line without an end takes no more memory than the longest line", async () => {
  const chunk = Buffer.alloc(2 ** 18, "x");
  const chunks = [...Array.from({ length: 200 }, () => chunk), Buffer.from("\nafter\n")];
  const { counted, counter, faults } = await count(field(1), "", chunks);
  expect(counted).toEqual([["after", 1]]);
  expect(counter.lines).toBe(2);
  expect(faults.byReason()).toEqual({ LINE_TOO_LONG: 1 });
  expect(LINE_BYTES_MAX).toBeLessThan(200 * chunk.length);
});

it("sums go out before the names fill the memory", async () => {
  const lines = Array.from({ length: 200_000 }, (_, i) => `name-${i}\n`);
  const chunks = Array.from({ length: 200 }, (_, i) =>
    Buffer.from(lines.slice(i * 1000, i * 1000 + 1000).join("")),
  );
  const { sender, sizes, counter } = await count(wholeLine, "", chunks);
  expect(sender.sent.applied).toBe(200_000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(8_000);
  expect(Math.abs(counter.distinct.estimate - 200_000)).toBeLessThan(2_000);
});

/** Count chunks with a sender whose server takes everything. */
async function count(pick: Pick, prefix: string, chunks: Iterable<Buffer>) {
  const sums = new Map<string, number>();
  const sizes: number[] = [];
  const sender = new IncrementSender({
    attempt: async (request) => {
      const { operations } = fromBinary(CounterService.method.batchApply.input, request);
      sizes.push(operations.length);
      for (const { name, action } of operations) sums.set(name, (sums.get(name) ?? 0) + Number(action.value));
      return answerTo(operations);
    },
    newRequestId: () => "id",
    now: () => 0,
    random: () => 0,
    sleep: () => Promise.reject(new Error("nothing is tried again here")),
    timeoutMs: 1,
  });
  const faults = new Faults(() => {});
  const openReader = (sink: LineSink) => new LineReader(pick, sink);
  const counter = new LinesCounter({ openReader, prefix, sender, faults, now: () => 0 });
  await counter.count(asynchronous(chunks));
  await sender.finish();
  return { counted: [...sums], sender, counter, faults, sizes };
}

async function* asynchronous<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** Cut bytes into chunks of these sizes, again and again, and end them as a file ends. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  for (let i = 0; from < bytes.length; i++) {
    const size = 1 + sizes[i % sizes.length]!;
    chunks.push(bytes.subarray(from, from + size));
    from += size;
  }
  return [...chunks, FILE_END];
}

/** The lines of a file, one character a byte. */
function linesOf(bytes: Buffer): string[] {
  const lines = bytes.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function plainlyEncoded(line: string): string {
  let name = "";
  for (const c of line) {
    const legal = c > " " && c < "\x7f" && c !== "%" && !(c === "-" && name === "");
    name += legal ? c : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return name;
}

function decoded(name: string): string {
  return name.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}
