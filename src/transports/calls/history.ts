import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { durationMs, type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  HistoryFill,
  HistoryPointSchema,
  HistoryService,
  ListChangesRequestSchema,
  ListChangesResponseSchema,
  ChangeKind as MessageKind,
  type NotedChangeSchema,
  type QueryHistoryRequest,
  QueryHistoryRequestSchema,
  QueryHistoryResponseSchema,
} from "../../../gen/tally/v1/history_service_pb.ts";
import { CORRUPT } from "../../core/batch.ts";
import { ChangeKind } from "../../core/change.ts";
import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import { levelOf, type Step, stepsOf } from "../../core/history-steps.ts";
import { BUCKET_MS, Level } from "../../core/levels.ts";
import { CALENDAR_UNITS, type Calendar } from "../../core/window.ts";
import { watched } from "../../service/serial-reads.ts";
import type { Store } from "../../service/store.ts";
import {
  DEFAULT_HISTORY,
  type HistoryAnswer,
  type HistoryQuery,
  type HistoryRefusal,
  type NamedChange,
} from "../../service/store-history.ts";
import type { CallContext, Refused, UnaryMethod } from "./call.ts";
import { fromChangesToken, toChangesToken } from "./page-token.ts";
import { readCall, SCAN_COST } from "./read-call.ts";
import { Reply, replyTooLarge } from "./reply.ts";
import { invalidField } from "./shape.ts";
import { Slices } from "./slices.ts";

/** What reads of history need. */
export interface HistoryReads {
  readonly store: Pick<Store, "epoch" | "get" | "history" | "now">;
  readonly clock: Clock;
  /** Whose days and clocks steps go by. */
  readonly calendar: Calendar;
}

/** QueryHistory: what became of a counter, or of all under a prefix, a point a step. */
export function queryHistory(reads: HistoryReads, requestBytesMax: number): UnaryMethod {
  const method = HistoryService.method.queryHistory;
  const targetsOf = (request: QueryHistoryRequest) => [subjectOf(request)];
  const costOf = ({ subject }: QueryHistoryRequest) => (subject.case === "name" ? 1 : SCAN_COST);
  const answer = async (request: QueryHistoryRequest, context: CallContext) => {
    const { history } = reads.store;
    const of = subjectOf(request);
    const slices = new Slices(reads.clock);
    const edges = await edgesIn(request, reads, slices);
    if ("code" in edges) return edges;
    if (history === undefined) return OFF;
    const query = { of, level: levelOf(edges), edges };
    const found = await watched(context, reads.clock, (signal) => history.query(query, signal));
    if ("code" in found) return found;
    if ("refused" in found) return refusalOf(found, query);
    const unknown = "name" in of && found.counters.length === 0;
    const none = unknown ? await noneOf(reads.store, of.name) : undefined;
    return none ?? responseOf(found, edges, request.fill, slices);
  };
  return readCall(method, QueryHistoryRequestSchema, requestBytesMax, targetsOf, answer, costOf);
}

/** ListChanges: what somebody did to a counter by name, a page at a time. */
export function listChanges(reads: HistoryReads, requestBytesMax: number): UnaryMethod {
  const method = HistoryService.method.listChanges;
  const targetsOf = ({ name }: { readonly name: string }) => [{ name }];
  return readCall(method, ListChangesRequestSchema, requestBytesMax, targetsOf, async (request, context) => {
    const { history } = reads.store;
    const { name, pageSize = PAGE_SIZE, pageToken } = request;
    const before = pageToken === "" ? undefined : fromChangesToken(pageToken, name, reads.store.epoch);
    if (pageToken !== "" && before === undefined) return invalidField("page_token", NOT_OF_THIS, pageToken);
    if (history === undefined) return OFF;
    const page = await watched(context, reads.clock, () => history.changes(name, before, pageSize));
    if ("code" in page) return page;
    const { changes, next } = page;
    const none = changes.length === 0 && before === undefined ? await noneOf(reads.store, name) : undefined;
    if (none !== undefined) return none;
    const nextPageToken = next === undefined ? "" : toChangesToken(next, name, reads.store.epoch);
    const response = { changes: changes.map(noted), nextPageToken };
    return toBinary(ListChangesResponseSchema, create(ListChangesResponseSchema, response));
  });
}

/** What a server that keeps no history says. */
export const OFF: Refusal = { code: "HISTORY_OFF", expected: "this server keeps none (its setting history)" };

/** Why there is no answer, and what would do. */
export function refusalOf(refusal: HistoryRefusal, query?: Pick<HistoryQuery, "level">): Refusal {
  if (refusal.refused === "TOO_MUCH") {
    const expected = "ask for longer steps, for less time, or for a longer prefix";
    return { code: "HISTORY_TOO_LARGE", max: BigInt(refusal.most), part: "stored points", expected };
  }
  const longer = query === undefined ? "" : LONGER[query.level];
  return { code: "HISTORY_EXPIRED", oldest: refusal.oldest, expected: `ask from then on${longer}` };
}

/** What is kept for longer than steps that are made of a level's buckets. */
const LONGER: Readonly<Record<Level, string>> = {
  [Level.MINUTE]: ", or for steps of whole quarters of an hour",
  [Level.QUARTER]: ", or for days of UTC",
  [Level.DAY]: "",
};

/** Why there is no history of a name; undefined where there is one, of which nothing is known yet. */
async function noneOf(store: Pick<Store, "get">, name: string): Promise<Refused | undefined> {
  const [found] = await store.get([name]);
  if (found === undefined)
    return { code: "COUNTER_NOT_FOUND", name, expected: "and there is no history of one" };
  if (found === CORRUPT || found.history) return undefined;
  return { code: "HISTORY_OFF", name, expected: "the counter has it turned off" };
}

function subjectOf({ subject }: QueryHistoryRequest): HistoryQuery["of"] {
  return subject.case === "name" ? { name: subject.value } : { prefix: subject.value ?? "" };
}

/** Where the points that are asked for begin and end. */
async function edgesIn(
  request: QueryHistoryRequest,
  { store, calendar }: Pick<HistoryReads, "store" | "calendar">,
  slices: Slices,
): Promise<Float64Array | Refusal> {
  const fault = instantFault("start", request.start) ?? instantFault("end", request.end);
  if (fault !== undefined) return fault;
  const step = stepOf(request);
  if ("code" in step) return step;
  const now = await store.now();
  const end = Math.min(instantOf(request.end) ?? Number.POSITIVE_INFINITY, now + 1); // With what is of now.
  const start = instantOf(request.start) ?? end - DAY_MS;
  if (start >= end) return invalidField("start", "must be before end, and not to come", request.start);
  if (calendar.offsetAt(step.timeZone, start) === undefined)
    return invalidField("time_zone", "must be known to the server", request.timeZone);
  const edges: number[] = [];
  for (const span of stepsOf(step, start, end, calendar)) {
    if (edges.length > POINTS_MAX) return tooMany(end - start, now - start);
    if (edges.length === 0) edges.push(span.start);
    edges.push(span.end);
    if (slices.over) await slices.next();
  }
  return Float64Array.from(edges);
}

/**
 * What would do is told in steps that are kept for so long, where nobody has set that otherwise.
 *
 * @param lengthMs  of what is asked for
 * @param ageMs     of its beginning
 */
function tooMany(lengthMs: number, ageMs: number): Refusal {
  const kept = [Level.MINUTE, Level.QUARTER].find((level) => ageMs <= DEFAULT_HISTORY.keepMs[level]);
  const bucketMs = BUCKET_MS[kept ?? Level.DAY];
  const stepMs = Math.ceil(lengthMs / (POINTS_MAX - 1) / bucketMs) * bucketMs;
  const steps = kept === undefined ? `${stepMs / DAY_MS} days (UTC)` : `${stepMs / MINUTE_MS} minutes`;
  const expected = `ask for steps of ${steps} or more, or for less time`;
  return { code: "HISTORY_TOO_LARGE", max: BigInt(POINTS_MAX), part: "points", expected };
}

function stepOf({ step, timeZone }: QueryHistoryRequest): Step | Refusal {
  const zone = timeZone === "" ? "UTC" : timeZone;
  if (step.case === "calendar") return { unit: CALENDAR_UNITS[step.value - 1]!, timeZone: zone };
  if (step.case === undefined) return { everyMs: HOUR_MS, timeZone: zone };
  const everyMs = durationMs(step.value);
  const whole = everyMs % MINUTE_MS === 0 && step.value.nanos === 0;
  return whole ? { everyMs, timeZone: zone } : invalidField("every", "must be whole minutes", step.value);
}

/** Before this year clocks were changed by other than quarters of an hour, and nothing was counted here. */
const YEAR_MIN = Date.UTC(1995, 0, 1);
const YEAR_MAX = Date.UTC(10_000, 0, 1);

/** @returns  why an instant is none to ask history for */
export function instantFault(field: string, time: Timestamp | undefined): Refusal | undefined {
  if (time === undefined) return undefined;
  const ms = timestampMs(time);
  const { nanos } = time;
  return ms >= YEAR_MIN && ms < YEAR_MAX && nanos >= 0 && nanos < 1_000_000_000
    ? undefined
    : invalidField(field, "must be of the years 1995 to 9999", time);
}

function instantOf(time: Timestamp | undefined): number | undefined {
  return time && timestampMs(time);
}

async function responseOf(
  answer: HistoryAnswer,
  edges: Float64Array,
  fill: HistoryFill,
  slices: Slices,
): Promise<Uint8Array | Refusal> {
  const { points, counters, completeUntil } = answer;
  const { opens, closes, lows, highs, added, removed, rolled, changes, buckets, gaps } = points;
  const first = counters[0]?.from ?? Number.NEGATIVE_INFINITY; // Of a prefix nobody knows when it began.
  const reply = new Reply(restOf(answer));
  for (let i = 0; i < closes.length; i++) {
    const [start, end] = [edges[i]!, edges[i + 1]!];
    if (end <= first || (fill === HistoryFill.NONE && buckets[i] === 0 && gaps[i] === 0)) continue;
    const point = create(HistoryPointSchema, {
      start: timestampFromMs(start),
      end: timestampFromMs(end),
      open: `${opens[i]}`,
      close: `${closes[i]}`,
      ...(lows !== undefined && { low: `${lows[i]}` }),
      ...(highs !== undefined && { high: `${highs[i]}` }),
      added: `${added[i]}`,
      removed: `${removed[i]}`,
      rolled: `${rolled[i]}`,
      changes: BigInt(changes[i]!),
      inProgress: end > completeUntil,
      gap: gaps[i] === 1,
    });
    if (!reply.add(toBinary(HistoryPointSchema, point))) return replyTooLarge();
    if (slices.over) await slices.next();
  }
  return reply.finish();
}

/** All of a QueryHistoryResponse but its points. */
function restOf({ completeUntil, counters }: HistoryAnswer): Uint8Array {
  const rest = create(QueryHistoryResponseSchema, {
    completeTime: timestampFromMs(completeUntil),
    counters: counters.map(({ uid, from, to }) => ({
      uid,
      start: timestampFromMs(from),
      ...(to !== undefined && { end: timestampFromMs(to) }),
    })),
  });
  return toBinary(QueryHistoryResponseSchema, rest);
}

function noted(change: NamedChange): MessageInitShape<typeof NotedChangeSchema> {
  const { kind, time, uid, value, added, removed, revision, caller, note } = change;
  return {
    kind: KINDS[kind] ?? MessageKind.UNSPECIFIED,
    time: timestampFromMs(time),
    uid,
    value,
    added: `${added}`,
    removed: `${removed}`,
    revision: BigInt(revision),
    caller,
    note,
  };
}

/** Those that name who did it, and what time does. */
const KINDS: Partial<Record<ChangeKind, MessageKind>> = {
  [ChangeKind.SET]: MessageKind.SET,
  [ChangeKind.RESET]: MessageKind.RESET,
  [ChangeKind.CREATE]: MessageKind.CREATE,
  [ChangeKind.SETTINGS]: MessageKind.SETTINGS,
  [ChangeKind.DELETE]: MessageKind.DELETE,
  [ChangeKind.ROLL]: MessageKind.ROLL,
  [ChangeKind.EXPIRE]: MessageKind.EXPIRE,
};

const POINTS_MAX = 11_000;
const PAGE_SIZE = 50;
const NOT_OF_THIS =
  "must be the next_page_token of a list of the same counter's changes, of the store as it was last restored";
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
