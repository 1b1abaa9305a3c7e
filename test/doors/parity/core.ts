import type { JsonObject } from "@bufbuild/protobuf";
import { ChangeKind } from "../../../src/core/change.ts";
import { CORRUPT, type FullCounter, headroom, settingsEtagOf } from "../../../src/core/counter.ts";
import type { Refusal } from "../../../src/core/errors.ts";
import { Level } from "../../../src/core/levels.ts";
import type { Verdict } from "../../../src/core/limits.ts";
import type { Op } from "../../../src/core/op.ts";
import type { Points } from "../../../src/core/points.ts";
import { defaultIdleTtlMs, type Policy } from "../../../src/core/policy.ts";
import type { Refill } from "../../../src/core/refill.ts";
import { DEFAULTS, type SettingKey, type Settings } from "../../../src/core/settings.ts";
import { expireTimeOf, fullTimeOf } from "../../../src/core/timing.ts";
import { type CalendarUnit, isCalendar, type Window } from "../../../src/core/window.ts";
import { Policies } from "../../../src/service/policies.ts";
import type { Store } from "../../../src/service/store.ts";
import { Writer } from "../../../src/service/writer.ts";
import * as ask from "../../support/calls.ts";
import type { Opened } from "../../transports/door.ts";

/** What the core says, with no door around it: the numbers, or the code of a refusal and its numbers. */
export type CoreAnswer =
  | { readonly ok: JsonObject }
  | { readonly error: { readonly reason: string; readonly metadata: Record<string, string> } };

/** What the doors judge before the core is asked. */
export const JUDGED_BY_DOORS: ReadonlySet<string> = new Set([
  "INVALID_FIELD",
  "MESSAGE_TOO_LARGE",
  "HISTORY_TOO_LARGE",
]);

/** Calls the writer and the store directly, with requests in ProtoJSON that are well-formed. */
export function openCore({ store, clock }: Pick<Opened, "store" | "clock">) {
  const writer = new Writer(store, clock);
  return (method: string, request: JsonObject): Promise<CoreAnswer> => {
    const read = READS[method];
    if (method.endsWith("Policy") || method === "ListPolicies") return policy(store, method, request);
    if (method.startsWith("TakeLimit")) return take(writer, request as unknown as Request);
    return read === undefined
      ? change(writer, store, method, request as unknown as Request)
      : read(store, request);
  };
}

/** The fields of requests that the core is asked with. */
interface Request {
  readonly name: string;
  readonly amount?: string;
  readonly value?: string;
  readonly etag?: string;
  readonly settingsEtag?: string;
  readonly mustExist?: boolean;
  readonly note?: string;
  readonly keepHistory?: boolean;
  readonly requestId?: string;
  readonly updateMask?: string;
  readonly followPolicy?: boolean;
  readonly operations?: readonly (Request & {
    readonly increment?: string;
    readonly decrement?: string;
    readonly set?: string;
  })[];
  readonly allOrNothing?: boolean;
  readonly takes?: readonly Request[];
  readonly ifMissing?: JsonObject;
  readonly dryRun?: boolean;
  readonly windowStart?: string;
}

async function change(writer: Writer, store: Store, method: string, request: Request): Promise<CoreAnswer> {
  const options = { id: request.requestId };
  const asked =
    method === "BatchApply"
      ? ask.batch(request.operations!.map(operation), {
          ...options,
          allOrNothing: request.allOrNothing ?? false,
        })
      : ask.single(OPS[method]!(request), options);
  const before = (await store.get([request.name]))[0] as FullCounter | undefined;
  const settled = await writer.submit({
    ...asked,
    deadline: Number.POSITIVE_INFINITY,
    cancelled: () => false,
  });
  if ("code" in settled)
    return refused(method === "BatchApply" ? within(`operations[${settled.index}]`, settled) : settled);
  const { results, replayed, verdicts } = ask.answersOf([asked], settled.outcomes)[0]!;
  if (method === "BatchApply") {
    const outcomes = results.map((result, i) => {
      if (!("code" in result)) return numbers(result);
      return { refusal: { ...reasonOf(within(`operations[${i}]`, result)), ...delayOf(result) } };
    });
    return { ok: { outcomes, replayed } };
  }
  const [result] = results;
  if ("code" in result!) return refused(result);
  if (method === "GiveBackLimit") {
    const { previous, value } = result as { previous: bigint; value: bigint };
    return { ok: { givenBack: `${previous - value}`, status: limitShown(verdicts?.[0]), replayed } };
  }
  if (method === "DeleteCounter") return { ok: { ...numbers(result!), uid: before?.uid ?? "", replayed } };
  const found = (await store.get([request.name]))[0] as FullCounter;
  if (method === "CreateCounter" || method === "UpdateCounter")
    return { ok: { counter: shown(found), replayed } };
  const room = replayed ? undefined : headroom(found);
  const headrooms = room && { headroomUp: `${room.up}`, headroomDown: `${room.down}` };
  return { ok: { outcome: { ...numbers(result!), ...headrooms, replayed } } };
}

/** TakeLimit, or TakeLimits. */
async function take(writer: Writer, request: Request): Promise<CoreAnswer> {
  const { takes: many, dryRun = false, requestId } = request;
  const ops = (many ?? [request]).map(({ name, amount = "1", ifMissing }) =>
    bringing(ask.take(name, BigInt(amount)), ifMissing),
  );
  const asked = ask.takes(ops, dryRun ? {} : { id: requestId }, dryRun ? "dry run" : "take");
  const settled = await writer.submit({
    ...asked,
    deadline: Number.POSITIVE_INFINITY,
    cancelled: () => false,
  });
  if ("code" in settled) {
    const { index, ...alone } = settled;
    return refused(many === undefined ? alone : within(`takes[${index}]`, settled));
  }
  const { replayed, verdicts = [] } = ask.answersOf([asked], settled.outcomes)[0]!;
  const statuses = ops.map((_, i) => limitShown(verdicts[i]));
  const allowed = statuses.every((status) => status.allowed);
  return { ok: { allowed, replayed, ...(many === undefined ? { status: statuses[0]! } : { statuses }) } };
}

/** In a replay there is no more than that it was allowed. */
function limitShown(verdict: Verdict | undefined): JsonObject {
  const { allowed = true, over = false, limit } = verdict ?? {};
  if (limit === undefined) return { allowed, over };
  const { max, quota, remaining, periodMs, moreAfterMs, retryAfterMs, resetTime, windowStart } = limit;
  const numbers = { max: `${max}`, quota: `${quota}`, remaining: `${remaining}` };
  const durations = { period: periodMs, moreAfter: moreAfterMs, retryAfter: retryAfterMs };
  const times = { resetTime, windowStart };
  return { allowed, over, ...numbers, ...shownAs(seconds, durations), ...shownAs(instant, times) };
}

function shownAs(
  show: (ms: number) => string,
  given: Readonly<Record<string, number | undefined>>,
): JsonObject {
  const known = Object.entries(given).filter(([, ms]) => ms !== undefined);
  return Object.fromEntries(known.map(([key, ms]) => [key, show(ms!)]));
}

/** The calls about policies. */
async function policy(store: Store, method: string, request: JsonObject): Promise<CoreAnswer> {
  const {
    prefix = "",
    settings = {},
    enforcement,
    pageSize = 50,
  } = request as {
    [Key in keyof JsonObject]: never;
  } & { prefix?: string; settings?: JsonObject; enforcement?: string; pageSize?: number };
  const policies = new Policies(store.catalogue!);
  if (method === "SetPolicy") {
    const given: Settings = { ...DEFAULTS, ...settingsIn(settings) };
    const idleTtlMs = settings.idleTtl === undefined ? defaultIdleTtlMs(given) : given.idleTtlMs || undefined;
    const shadow = enforcement === "ENFORCEMENT_SHADOW";
    const set = await policies.set(prefix, { ...given, idleTtlMs }, shadow ? "shadow" : "enforce");
    if (!("code" in set)) return { ok: { policy: shownPolicy(set) } };
    return refused(set.field === undefined ? set : { ...set, field: `settings.${set.field}` });
  }
  if (method === "DeletePolicy") {
    const refusal = await policies.remove(prefix);
    return refusal === undefined ? { ok: {} } : refused(refusal);
  }
  const known = await policies.read();
  if (method === "ListPolicies") {
    const listed = known.all.filter((each) => each.prefix.startsWith(prefix)).slice(0, pageSize);
    return { ok: { policies: listed.map(shownPolicy) } };
  }
  const found = known.get(prefix);
  if (found === undefined) return refused({ code: "POLICY_NOT_FOUND" });
  const { applied, remaining } = await store.policies!.progress(prefix);
  return { ok: { policy: shownPolicy(found), applied: `${applied}`, remaining: `${remaining}` } };
}

function shownPolicy({ prefix, settings, enforcement }: Policy): JsonObject {
  return {
    prefix,
    settings: shownSettings(settings),
    enforcement: `ENFORCEMENT_${enforcement.toUpperCase()}`,
  };
}

const OPS: Readonly<Record<string, (request: Request) => ReturnType<typeof ask.increment>>> = {
  Increment: ({ name, amount = "1", mustExist, ifMissing }) =>
    bringing(ask.increment(name, BigInt(amount), must(mustExist)), ifMissing),
  Decrement: ({ name, amount = "1" }) => ask.decrement(name, BigInt(amount)),
  Set: ({ name, value, etag, note, mustExist, ifMissing }) =>
    bringing(ask.set(name, BigInt(value!), { etag, note, ...must(mustExist) }), ifMissing),
  GiveBackLimit: ({ name, amount, windowStart }) =>
    ask.giveBack(name, BigInt(amount!), windowStart === undefined ? undefined : Date.parse(windowStart)),
  Reset: ({ name, etag, note }) => ask.reset(name, { etag, note }),
  CreateCounter: ({ name, value, ...request }) =>
    ask.create(name, {
      ...settingsIn(request as JsonObject),
      ...(value !== undefined && { value: BigInt(value) }),
    }),
  UpdateCounter: ({ name, updateMask, settingsEtag: etag, followPolicy: follow, ...request }) => {
    const settings = settingsIn(request as JsonObject);
    const mask = updateMask?.split(",").map((field) => KEYS[field] ?? field);
    const op = ask.update(name, settings, { etag, ...(mask && { mask: mask as SettingKey[] }) });
    return follow ? { ...op, follow } : op;
  },
  DeleteCounter: ({ name, etag, keepHistory = false }) => ask.remove(name, { etag, keepHistory }),
};

/** Settings that the core has another name for. */
const KEYS: Readonly<Record<string, SettingKey>> = { onBound: "clamp", idleTtl: "idleTtlMs" };

function operation({
  name,
  increment,
  decrement,
  set,
  etag,
  ifMissing,
}: NonNullable<Request["operations"]>[number]) {
  if (increment !== undefined) return bringing(ask.increment(name, BigInt(increment)), ifMissing);
  if (decrement !== undefined) return ask.decrement(name, BigInt(decrement));
  return set !== undefined
    ? bringing(ask.set(name, BigInt(set), { etag }), ifMissing)
    : ask.reset(name, { etag });
}

/** An operation with the settings of the counter that it may make. */
function bringing(op: Op, ifMissing: JsonObject | undefined): Op {
  return ifMissing === undefined ? op : { ...op, settings: { ...DEFAULTS, ...settingsIn(ifMissing) } };
}

const must = (mustExist = false) => ({ mustExist });

/** The settings that a request has, as the core calls them. */
function settingsIn(request: JsonObject): Partial<Settings> {
  const { initial, min, max, onBound, monotonic, labels, description, window, refill, idleTtl, history } =
    request;
  const numbers = Object.entries({ initial, min, max }).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(numbers.map(([key, value]) => [key, BigInt(value as string)])),
    ...(onBound !== undefined && { clamp: onBound === "ON_BOUND_CLAMP" }),
    ...(monotonic !== undefined && { monotonic: monotonic as boolean }),
    ...(labels !== undefined && { labels: labels as Record<string, string> }),
    ...(description !== undefined && { description: description as string }),
    ...(window !== undefined && { window: windowIn(window as JsonObject) }),
    ...(refill !== undefined && { refill: refillIn(refill as JsonObject) }),
    ...(idleTtl !== undefined && { idleTtlMs: BigInt(msIn(idleTtl as string)) }),
    ...(history !== undefined && { history: history as boolean }),
  };
}

function windowIn({ every, calendar, anchor, timeZone, day = 1 }: JsonObject): Window {
  if (every !== undefined) {
    const anchorMs = anchor === undefined ? 0 : Date.parse(anchor as string);
    return { everyMs: msIn(every as string), anchorMs };
  }
  const unit = (calendar as string).replace("CALENDAR_UNIT_", "").toLowerCase() as CalendarUnit;
  return { unit, timeZone: timeZone as string, day: day as number };
}

function refillIn({ amount, every }: JsonObject): Refill {
  return { amount: BigInt(amount as string), everyMs: msIn(every as string) };
}

function msIn(seconds: string): number {
  return Number(seconds.replace("s", "")) * 1_000;
}

const READS: Readonly<Record<string, (store: Store, request: JsonObject) => Promise<CoreAnswer>>> = {
  async GetCounter(store, { name }) {
    const [found] = await store.get([name as string]);
    return found === undefined ? refused({ code: "COUNTER_NOT_FOUND" }) : { ok: { counter: shown(found) } };
  },
  async BatchGetCounters(store, { names }) {
    const found = await store.get(names as string[]);
    const results = found.map((one) =>
      one === undefined ? { refusal: reasonOf({ code: "COUNTER_NOT_FOUND" }) } : { counter: shown(one) },
    );
    return { ok: { results } };
  },
  async ListCounters(store, { pageSize = 50, ...request }) {
    const page = await store.list(selection(request), "", pageSize as number);
    return { ok: { counters: page.counters.map(shown) } };
  },
  async TopCounters(store, { n = 10, order, ...request }) {
    const end = order === "TOP_ORDER_LOWEST" ? "lowest" : "highest";
    const { counters } = await store.top(selection(request), n as number, end);
    return { ok: { counters: counters.map(shown) } };
  },
  async SumCounters(store, request) {
    const { count, sum, lowest, highest } = await store.sum(selection(request));
    const ends = lowest === undefined ? {} : { lowest: `${lowest}`, highest: `${highest}` };
    return { ok: { count: `${count}`, sum: `${sum}`, ...ends } };
  },
  async QueryHistory(store, { name, prefix, start }) {
    const edges = Float64Array.from({ length: 400 }, (_, i) => Date.parse(start as string) + i * 3_600_000);
    const of = name === undefined ? { prefix: prefix as string } : { name: name as string };
    const answer = await store.history!.query({ of, level: Level.QUARTER, edges });
    if ("refused" in answer) throw new TypeError(`expected points, got ${answer.refused}`);
    return { ok: { points: pointsIn(answer.points) } };
  },
  async ListChanges(store, { name, pageSize = 50 }) {
    const { changes } = await store.history!.changes(name as string, undefined, pageSize as number);
    const noted = changes.map(({ kind, value, added, revision, note }) => {
      const [word] = Object.entries(ChangeKind).find(([, each]) => each === kind)!;
      return {
        kind: `CHANGE_KIND_${word}`,
        value: `${value}`,
        added: `${added}`,
        revision: `${revision}`,
        note,
      };
    });
    return { ok: { changes: noted } };
  },
};

/** Those in which something happened. */
function pointsIn({
  opens,
  closes,
  lows,
  highs,
  added,
  removed,
  rolled,
  changes,
  buckets,
}: Points): JsonObject[] {
  const points = closes.map((close, i) => ({
    ...{ open: `${opens[i]}`, close: `${close}` },
    ...(lows !== undefined && { low: `${lows[i]}` }),
    ...(highs !== undefined && { high: `${highs[i]}` }),
    ...{ added: `${added[i]}`, removed: `${removed[i]}`, rolled: `${rolled[i]}`, changes: `${changes[i]}` },
  }));
  return points.filter((_, i) => buckets[i]! > 0);
}

function selection({ prefix = "", labels = {} }: JsonObject) {
  return { prefix: prefix as string, labels: labels as Record<string, string> };
}

function shown(counter: FullCounter | typeof CORRUPT): JsonObject {
  if (counter === CORRUPT) throw new TypeError("expected a sound row");
  const { name, uid, value, policy } = counter;
  return {
    name,
    uid,
    value: `${value}`,
    ...shownSettings(counter),
    ...shownTimes(counter),
    ...(policy !== undefined && { policy: policy.prefix }),
    updateTime: instant(counter.updateTime),
    revision: `${counter.revision}`,
    settingsRevision: `${counter.settingsRevision}`,
    settingsEtag: settingsEtagOf(uid, counter.settingsRevision, undefined),
  };
}

function shownSettings(settings: Settings): JsonObject {
  const { initial, min, max, clamp, monotonic, labels, description, history } = settings;
  const { window, refill, idleTtlMs } = settings;
  return {
    initial: `${initial}`,
    ...(min !== undefined && { min: `${min}` }),
    ...(max !== undefined && { max: `${max}` }),
    onBound: clamp ? "ON_BOUND_CLAMP" : "ON_BOUND_REJECT",
    monotonic,
    labels: { ...labels },
    description,
    history,
    ...(window && { window: shownWindow(window) }),
    ...(refill && { refill: { amount: `${refill.amount}`, every: seconds(refill.everyMs) } }),
    ...(idleTtlMs !== undefined && { idleTtl: seconds(Number(idleTtlMs)) }),
  };
}

function shownTimes(counter: FullCounter): JsonObject {
  const { timing } = counter;
  const [expires, fullAt] = [expireTimeOf(counter), fullTimeOf(counter)];
  return {
    ...(timing?.windowStart !== undefined && { windowStart: instant(timing.windowStart) }),
    ...(timing?.windowEnd !== undefined && { windowEnd: instant(timing.windowEnd) }),
    ...(expires !== undefined && { expireTime: instant(expires) }),
    ...(fullAt !== undefined && { fullTime: instant(fullAt) }),
  };
}

function shownWindow(window: Window): JsonObject {
  if (isCalendar(window)) {
    const { unit, timeZone, day } = window;
    return { calendar: `CALENDAR_UNIT_${unit.toUpperCase()}`, timeZone, ...(day !== 1 && { day }) };
  }
  const { everyMs, anchorMs } = window;
  return { every: seconds(everyMs), ...(anchorMs !== 0 && { anchor: instant(anchorMs) }) };
}

function seconds(ms: number): string {
  return `${ms % 1_000 === 0 ? ms / 1_000 : (ms / 1_000).toFixed(3)}s`; // In threes, as ProtoJSON has it.
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(".000", "");
}

function numbers({ value, previous, revision }: { value: bigint; previous: bigint; revision: number }) {
  return { value: `${value}`, previous: `${previous}`, revision: `${revision}` };
}

/** With the path of a field from the request on, as doors tell it of a part of one. */
function within(part: string, refusal: Refusal): Refusal {
  const { field } = refusal;
  return field?.startsWith("if_missing.") ? { ...refusal, field: `${part}.${field}` } : refusal;
}

function refused(refusal: Refusal): CoreAnswer {
  return { error: reasonOf(refusal) };
}

function delayOf({ retryAfterMs }: Refusal): JsonObject {
  return retryAfterMs === undefined ? {} : { retryDelay: `${(retryAfterMs / 1_000).toFixed(3)}s` };
}

function reasonOf({ code, value, min, max, requested, field, etag, settingsEtag, index }: Refusal) {
  const given = { value, min, max, requested, field, etag, settings_etag: settingsEtag, index };
  const metadata = Object.entries(given).filter(([, each]) => each !== undefined);
  return { reason: code, metadata: Object.fromEntries(metadata.map(([key, each]) => [key, `${each}`])) };
}
