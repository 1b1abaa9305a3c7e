/**
 * npm run test:http2-differential [-- --sessions N] [--seed N] [--session N]
 *
 * Goal: what both take, the engine and node:http2 understand alike; and what only one of them takes is known, with what
 * the RFC says. Method: the same bytes to both, which answer with what they have understood (mirrors.ts): requests that
 * are as they should be, in all forms (talk.ts); the same with octets changed anywhere; and everything that the tables
 * of test/http2/faulty.ts have, followed by requests that tell whether the connection lives.
 *
 * Where both answer a request, heads, bodies and trailers are the same. Requests as they should be both answer. Of the
 * tables, both refuse or take the same, but for what DIFFERENCES has.
 *
 * In CI: `npm run test:http2-differential -- --sessions 400`.
 */
import { isDeepStrictEqual, parseArgs } from "node:util";
import { CONNECTION_ERRORS, HARMLESS, MALFORMED, OPEN, STREAM_ERRORS } from "../../../http2/faulty.ts";
import { headers } from "../../../http2/wire.ts";
import { freshSeed, type Random, seededRandom } from "../../crash/random.ts";
import { converse, type Heard, type Script } from "./conversation.ts";
import { nodesMirror, ownMirror } from "./mirrors.ts";
import { scriptOf, Talk } from "./talk.ts";

/** nghttp2 takes such a request without the field. RFC 9113, section 8.2.1: it is malformed. */
const LEFT_OUT = ["node", "8.2.1"] as const;
/** Priorities are no more; of what was said in RFC 7540, section 5.3.1, h2spec wants this still. */
const PRIORITIES = ["node", "5.3.2"] as const;

/** What one takes and the other refuses, and the section of RFC 9113 by which we do what we do. */
const DIFFERENCES: Readonly<Record<string, readonly [takes: "own" | "node", section: string]>> = {
  "a host that is not :authority": ["node", "8.3.1"],
  "a name with a blank": LEFT_OUT,
  "a name with a colon": LEFT_OUT,
  "an empty name": LEFT_OUT,
  "a name with an end of line": LEFT_OUT,
  "a value with CR": LEFT_OUT,
  "a value with LF": LEFT_OUT,
  "a value with NUL": LEFT_OUT,
  "a value with a blank before it": LEFT_OUT,
  "a value with a blank behind it": LEFT_OUT,
  "HEADERS of an older stream": ["node", "5.1.1"],
  "HEADERS that depend on themselves": PRIORITIES,
  "PRIORITY on itself": PRIORITIES,
  "PRIORITY of an idle stream on itself": PRIORITIES,
  "PRIORITY of no stream": ["node", "6.3"],
  // Of an error the section says nothing; to node:http2 it is one.
  "an ACK of a PING that nobody sent": ["own", "6.7"],
  // A client's says that it takes no more pushes; node:http2 takes no more requests.
  GOAWAY: ["own", "6.8"],
};

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "20000" },
    seed: { type: "string" },
    session: { type: "string" },
  },
});
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const sessions = Number(values.sessions);
if (!(sessions > 0) || !Number.isInteger(seed)) {
  console.error("expected --sessions N and --seed N");
  process.exit(2);
}

/** At a time: a session waits for most of its time. */
const LANES = 8;
/** Streams of the tables are below. */
const PROBES_FROM = 1_001;

interface Session {
  readonly what: string;
  readonly script: Script;
  /** What is to be the same beside the answers that both gave. */
  readonly same: "all is answered" | "taken or refused" | "nothing more";
}

console.log(`seed ${seed}`);
const tables: Readonly<Record<string, readonly Buffer[]>> = {
  ...Object.fromEntries(Object.entries(MALFORMED).map(([what, fields]) => [what, [headers(1, fields)]])),
  ...Object.fromEntries(Object.entries(CONNECTION_ERRORS).map(([what, [, ...frames]]) => [what, frames])),
  ...Object.fromEntries(
    Object.entries(STREAM_ERRORS).map(([what, [, ...frames]]) => [what, [OPEN, ...frames]]),
  ),
  ...Object.fromEntries(
    Object.entries(HARMLESS)
      .filter(([what]) => what !== "the last of all streams")
      .map(([what, [, ...frames]]) => [what, frames]),
  ),
};
const names = Object.keys(tables);
const [own, node] = [await ownMirror(), await nodesMirror()];
const faults: string[] = [];
const seen = new Set<string>();
let answers = 0;
let next = Number(values.session ?? 0);
const end = values.session === undefined ? sessions : next + 1;
const lane = async () => {
  while (next < end) {
    const number = next++;
    const session = sessionOf(number, seededRandom(seed + number * 7_919));
    const [ours, theirs] = await Promise.all([
      converse(own.port, session.script),
      converse(node.port, session.script),
    ]);
    for (const fault of compare(session, ours, theirs))
      faults.push(`session ${number}, ${session.what}: ${fault}`);
  }
};
await Promise.all(Array.from({ length: LANES }, lane));
if (sessions >= 3 * names.length && values.session === undefined) {
  for (const what of Object.keys(DIFFERENCES)) if (!seen.has(what)) faults.push(`${what}: no difference`);
}
for (const defect of own.defects) faults.push(`a defect: ${defect}`);
for (const fault of faults.slice(0, 50)) console.error(fault);
console.log(`${end} sessions, ${answers.toLocaleString("en")} requests that both have answered alike`);
console.log(
  `${seen.size} of ${names.length} oddities are taken by one and refused by the other, as is known`,
);
console.log(faults.length === 0 ? "PASS" : `FAIL: ${faults.length}; again: --seed ${seed} --session N`);
process.exit(faults.length === 0 ? 0 : 1);

/** A third of the sessions each: right, damaged, by the tables. */
function sessionOf(number: number, random: Random): Session {
  const kind = number % 3;
  if (kind === 2) {
    const what = names[Math.floor(number / 3) % names.length]!;
    const talk = new Talk(random, random.between(1, 4), PROBES_FROM);
    return { what, script: talk.script(tables[what]), same: "taken or refused" };
  }
  const talk = new Talk(random, random.between(1, 30));
  if (kind === 0) return { what: "right", script: talk.script(), same: "all is answered" };
  const frames = talk.frames.map((frame) => Buffer.from(frame));
  for (let times = random.between(1, 3); times > 0; times--) {
    const frame = random.pick(frames);
    frame[random.between(0, frame.length - 1)] = random.between(0, 255);
  }
  return { what: "damaged", script: scriptOf(random, frames, talk.ended), same: "nothing more" };
}

/** @returns  what should not be so */
function compare({ what, script, same }: Session, ours: Heard, theirs: Heard): string[] {
  const found: string[] = [];
  for (const [id, our] of ours.streams) {
    const their = theirs.streams.get(id);
    if (!our.ended || our.reset || !their?.ended || their.reset) continue;
    if (isDeepStrictEqual(our, their)) answers++;
    else found.push(`stream ${id}: ${text(our)} of ours, ${text(their)} of node:http2`);
  }
  if (same === "all is answered") {
    for (const id of script.ended)
      for (const [who, heard] of [
        ["own", ours],
        ["node:http2", theirs],
      ] as const)
        if (!heard.streams.get(id)?.ended) found.push(`stream ${id} is not answered by ${who}`);
  }
  if (same === "taken or refused" && isRefused(ours) !== isRefused(theirs)) {
    const takes = isRefused(ours) ? "node" : "own";
    if (DIFFERENCES[what]?.[0] === takes) seen.add(what);
    else found.push(`taken by ${takes}, and refused by the other`);
  }
  return found;
}

/** Whether the connection ended, or a request that is one of the tables did. */
function isRefused({ streams, hungUp }: Heard): boolean {
  return hungUp || [...streams].some(([id, { reset }]) => reset && id < PROBES_FROM);
}

function text(answered: unknown): string {
  return JSON.stringify(answered).slice(0, 600);
}
