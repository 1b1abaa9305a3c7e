/**
 * A batch in columns: how operations travel from a call to the rule, across threads included.
 *
 * One object an operation would be the natural shape, and costs 4 microseconds an operation to clone into a
 * worker; columns cross as a handful of buffers. What few operations have (etag, note, settings...) is kept in a
 * sparse map beside them.
 */
import type { FullCounter } from "./counter.ts";
import type { Epoch } from "./epoch.ts";
import type { Refusal } from "./errors.ts";
import type { Verdict } from "./limits.ts";
import type { Op, OpExtras, Verb } from "./op.ts";

/** Operations in columns. Names are ASCII, one after another: name i is bytes nameEnds[i-1] to nameEnds[i]. */
export interface OpColumns {
  readonly count: number;
  readonly verbs: Uint8Array;
  readonly amounts: BigInt64Array;
  /** 1 where the operation must find its counter. */
  readonly mustExist: Uint8Array;
  /** 1 where the caller may not make a counter (see Op.mayCreate); undefined where none of them is so, which is mostly. */
  readonly mayNotCreate?: Uint8Array | undefined;
  readonly names: Uint8Array;
  readonly nameEnds: Uint32Array;
  readonly extras: ReadonlyMap<number, OpExtras>;
}

/**
 * What one caller asked for in one request: a single operation, or a batch under one request id.
 *
 * `single` is not the same as a batch of one: their request ids have different scopes.
 */
export interface CallHead {
  /** Who asks: request ids are kept under it. "" where nobody has to say. */
  readonly caller: string;
  /** Who asks, in words, for the change log: at most CALLER_NAME_BYTES_MAX bytes. Undefined: the same as `caller`. */
  readonly callerName?: string | undefined;
  /**
   * Under whom this caller's request ids may be kept from before they had to say who they are; undefined: nobody else. A
   * record there answers the call if it is of the same operations, and is somebody else's if not.
   */
  readonly formerCaller?: string | undefined;
  readonly requestId: string | undefined;
  readonly single: boolean;
  readonly allOrNothing: boolean;
  /** Takes from limits: all are judged, and undone if one is refused, which is then an answer (see Verdict). */
  readonly takes?: Takes | undefined;
  /** A digest of the operations, for a batch that has a request id; 32 hexadecimal digits, and of one take more. */
  readonly digest: string | undefined;
  /** The index past the call's last operation. */
  readonly end: number;
}

/** Whether takes are made, or only judged. */
export type Takes = "take" | "dry run";

/** Who asks. */
export type Whose = Pick<CallHead, "caller" | "callerName" | "formerCaller">;

/** Calls in columns. */
export interface CallColumns {
  readonly count: number;
  readonly ends: Uint32Array;
  /** SINGLE, ALL_OR_NOTHING, TAKES and DRY_RUN. */
  readonly flags: Uint8Array;
  /** Whose they are: each once, for most are of a few. */
  readonly callers: readonly Whose[];
  /** By call, which of them; undefined where there is one. */
  readonly callerOf: readonly number[] | undefined;
  readonly requestIds: readonly (string | undefined)[];
  readonly digests: ReadonlyMap<number, string>;
}

/** Calls that are decided and saved together, in one durable step. */
export interface Batch {
  readonly calls: CallColumns;
  readonly ops: OpColumns;
}

/** One result an operation, same length, same order; and what is known once a call. */
export interface Outcomes {
  readonly values: BigInt64Array;
  readonly previous: BigInt64Array;
  /** 0 where the operation was not applied. */
  readonly revisions: Float64Array;
  /** By operation: why this one of a batch was refused; its other columns are then 0. */
  readonly refusals: Map<number, Refusal>;
  /** By operation, for updates that were applied: the counter as it was just after. */
  readonly counters: Map<number, FullCounter>;
  /** By operation, for takes and what gives back: what became of it. Not in a replay. */
  readonly verdicts: Map<number, Verdict>;
  /** By call: why nothing of it was applied. A single operation is refused here, and so is a whole group. */
  readonly callRefusals: Map<number, Refusal>;
  /** By call: milliseconds since the epoch. */
  readonly times: Float64Array;
  /** By call: 1 when its request id had been answered before. */
  readonly replayed: Uint8Array;
  /** By call, for a single operation that was applied: the counter's uid, else "". */
  readonly uids: string[];
  /** By call, likewise: how far the value may still move; 0 in a replay, whose counter may have moved on. */
  readonly headroomUp: BigUint64Array;
  readonly headroomDown: BigUint64Array;
  /** Of the store: what etags of these revisions end in. */
  epoch: Epoch;
  /** Of the whole batch; set by the store. */
  timings: CommitTimings;
}

/** How long the parts of a commit took, in milliseconds. What a store cannot tell apart is with the part after it;
 * what is written one by one, because the database refused something, is decided as it is written. */
export interface CommitTimings {
  /** Locking and reading what the batch touches. */
  loadMs?: number;
  decideMs?: number;
  /** Writing what changed, before COMMIT. Not of a batch that changed nothing. */
  saveMs?: number;
  /** COMMIT, with its fsync. Likewise. */
  syncMs?: number;
}

/** Add what another part of the same batch took, which was committed on its own. */
export function addTimings(into: CommitTimings, from: CommitTimings): void {
  for (const part of Object.keys(from) as (keyof CommitTimings)[])
    into[part] = (into[part] ?? 0) + from[part]!;
}

const SINGLE = 1;
const ALL_OR_NOTHING = 2;
const TAKES = 4;
const DRY_RUN = 8;

/** The columns of some calls. */
export function toCallColumns(calls: readonly CallHead[]): CallColumns {
  const count = calls.length;
  const ends = new Uint32Array(count);
  const flags = new Uint8Array(count);
  const digests = new Map<number, string>();
  for (let c = 0; c < count; c++) {
    const { end, single, allOrNothing, takes, digest } = calls[c]!;
    ends[c] = end;
    flags[c] = (single ? SINGLE : 0) | (allOrNothing ? ALL_OR_NOTHING : 0) | flagsOf(takes);
    if (digest !== undefined) digests.set(c, digest);
  }
  const requestIds = calls.map(({ requestId }) => requestId);
  return { count, ends, flags, ...whoseAre(calls), requestIds, digests };
}

/** Each caller once: what crosses to another thread is copied text by text. */
function whoseAre(calls: readonly Whose[]): Pick<CallColumns, "callers" | "callerOf"> {
  const callers: Whose[] = [];
  const callerOf: number[] = [];
  const places = new Map<string, number>();
  let place = -1;
  for (const { caller, callerName, formerCaller } of calls) {
    const last = callers[place];
    if (last?.caller !== caller || last.callerName !== callerName || last.formerCaller !== formerCaller) {
      const id = JSON.stringify([caller, callerName ?? null, formerCaller ?? null]);
      place = places.get(id) ?? callers.push({ caller, callerName, formerCaller }) - 1;
      places.set(id, place);
    }
    callerOf.push(place);
  }
  return { callers, callerOf: callers.length > 1 ? callerOf : undefined };
}

function flagsOf(takes: Takes | undefined): number {
  return takes === undefined ? 0 : takes === "take" ? TAKES : TAKES | DRY_RUN;
}

/** Whose the call at index c is. */
export function whoseIs({ callers, callerOf }: Pick<CallColumns, "callers" | "callerOf">, c: number): Whose {
  return callers[callerOf?.[c] ?? 0]!;
}

/** The call at index c. */
export function callAt(calls: CallColumns, c: number): CallHead {
  const flags = calls.flags[c]!;
  return {
    ...whoseIs(calls, c),
    requestId: calls.requestIds[c],
    single: (flags & SINGLE) !== 0,
    allOrNothing: (flags & ALL_OR_NOTHING) !== 0,
    takes: (flags & TAKES) === 0 ? undefined : (flags & DRY_RUN) === 0 ? "take" : "dry run",
    digest: calls.digests.get(c),
    end: calls.ends[c]!,
  };
}

/** @param buffer  what the number columns are laid over: one that crossed threads, or a new one of zeros */
export function newOutcomes(
  ops: number,
  calls: number,
  buffer: ArrayBufferLike = new ArrayBuffer(24 * ops + 25 * calls),
): Outcomes {
  return {
    values: new BigInt64Array(buffer, 0, ops),
    previous: new BigInt64Array(buffer, 8 * ops, ops),
    revisions: new Float64Array(buffer, 16 * ops, ops),
    refusals: new Map(),
    counters: new Map(),
    verdicts: new Map(),
    callRefusals: new Map(),
    times: new Float64Array(buffer, 24 * ops, calls),
    headroomUp: new BigUint64Array(buffer, 24 * ops + 8 * calls, calls),
    headroomDown: new BigUint64Array(buffer, 24 * ops + 16 * calls, calls),
    replayed: new Uint8Array(buffer, 24 * ops + 24 * calls, calls),
    uids: new Array(calls).fill(""),
    epoch: undefined,
    timings: {},
  };
}

/** Take over what became of call c, whose operations are `first` to `end`, from outcomes of the same batch. */
export function takeOutcomes(into: Outcomes, from: Outcomes, c: number, first: number, end: number): void {
  for (const column of ["values", "previous"] as const)
    into[column].set(from[column].subarray(first, end), first);
  into.revisions.set(from.revisions.subarray(first, end), first);
  for (let i = first; i < end; i++) {
    const [refusal, counter, verdict] = [from.refusals.get(i), from.counters.get(i), from.verdicts.get(i)];
    if (refusal !== undefined) into.refusals.set(i, refusal);
    if (counter !== undefined) into.counters.set(i, counter);
    if (verdict !== undefined) into.verdicts.set(i, verdict);
  }
  const refusal = from.callRefusals.get(c);
  if (refusal !== undefined) into.callRefusals.set(c, refusal);
  into.epoch = from.epoch;
  into.times[c] = from.times[c]!;
  into.replayed[c] = from.replayed[c]!;
  into.uids[c] = from.uids[c]!;
  into.headroomUp[c] = from.headroomUp[c]!;
  into.headroomDown[c] = from.headroomDown[c]!;
}

interface WritableOpColumns extends OpColumns {
  mayNotCreate?: Uint8Array | undefined;
  readonly extras: Map<number, OpExtras>;
}

/** @param buffer  what the columns are laid over: one that crossed threads, or a new one of zeros */
export function newOpColumns(
  count: number,
  nameBytes: number,
  buffer: ArrayBufferLike = new ArrayBuffer(14 * count + nameBytes),
): WritableOpColumns {
  return {
    count,
    amounts: new BigInt64Array(buffer, 0, count),
    nameEnds: new Uint32Array(buffer, 8 * count, count),
    verbs: new Uint8Array(buffer, 12 * count, count),
    mustExist: new Uint8Array(buffer, 13 * count, count),
    mayNotCreate: undefined,
    names: new Uint8Array(buffer, 14 * count, nameBytes),
    extras: new Map(),
  };
}

/** The columns of some operations. */
export function toColumns(ops: readonly Op[]): OpColumns {
  const columns = newOpColumns(
    ops.length,
    ops.reduce((bytes, op) => bytes + op.name.length, 0),
  );
  let at = 0;
  for (const [i, op] of ops.entries()) at = putOp(columns, i, at, op);
  return columns;
}

/**
 * Write one operation at index i, its name from byte `at` of the names.
 *
 * @returns  the byte after its name
 */
export function putOp(columns: WritableOpColumns, i: number, at: number, op: Op): number {
  columns.verbs[i] = op.verb;
  columns.amounts[i] = op.amount;
  columns.mustExist[i] = op.mustExist ? 1 : 0;
  if (op.mayCreate === false) {
    columns.mayNotCreate ??= new Uint8Array(columns.count);
    columns.mayNotCreate[i] = 1;
  }
  const { name, etag, uid, note, settings, mask, follow, keepHistory, windowStart } = op;
  for (let k = 0; k < name.length; k++) columns.names[at + k] = name.charCodeAt(k);
  columns.nameEnds[i] = at + name.length;
  const [few, fewer] = [etag ?? note ?? settings, keepHistory ?? windowStart ?? uid];
  if (few !== undefined || fewer !== undefined) {
    columns.extras.set(i, { etag, uid, note, settings, mask, follow, keepHistory, windowStart });
  }
  return at + name.length;
}

/** Reads names out of columns. A fresh string each: a slice of one long string would keep all of it alive. */
export function nameReader(columns: OpColumns): (i: number) => string {
  const { names, nameEnds } = columns;
  const bytes = Buffer.from(names.buffer, names.byteOffset, names.byteLength);
  return (i) => bytes.toString("latin1", i === 0 ? 0 : nameEnds[i - 1], nameEnds[i]);
}

/** With every field, so that reading them is the same for all operations. */
const NO_EXTRAS: OpExtras = {
  ...{ etag: undefined, uid: undefined, note: undefined, settings: undefined, mask: undefined },
  ...{ follow: undefined, keepHistory: undefined, windowStart: undefined },
};

/** The operation at index i. */
export function opAt(columns: OpColumns, i: number, name: string): Op {
  const extras = columns.extras.size === 0 ? NO_EXTRAS : (columns.extras.get(i) ?? NO_EXTRAS);
  return {
    verb: columns.verbs[i] as Verb,
    name,
    amount: columns.amounts[i]!,
    mustExist: columns.mustExist[i] === 1,
    mayCreate: columns.mayNotCreate?.[i] === 1 ? false : undefined,
    etag: extras.etag,
    uid: extras.uid,
    note: extras.note,
    settings: extras.settings,
    mask: extras.mask,
    follow: extras.follow,
    keepHistory: extras.keepHistory,
    windowStart: extras.windowStart,
  };
}
