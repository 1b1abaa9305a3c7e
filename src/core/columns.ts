/**
 * A batch in columns: how operations travel from a call to the rule, across threads included.
 *
 * One object an operation would be the natural shape, and costs 4 microseconds an operation to clone into a
 * worker; columns cross as a handful of buffers. What few operations have (etag, note, settings) is kept in a
 * sparse map beside them.
 */
import type { Refusal } from "./errors.ts";
import type { Op, OpExtras, Verb } from "./op.ts";

/** Operations in columns. Names are ASCII, one after another: name i is bytes nameEnds[i-1] to nameEnds[i]. */
export interface OpColumns {
  readonly count: number;
  readonly verbs: Uint8Array;
  readonly amounts: BigInt64Array;
  /** 1 where the operation must find its counter. */
  readonly mustExist: Uint8Array;
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
  /** Who asks; "" until credentials exist. */
  readonly caller: string;
  readonly requestId: string | undefined;
  readonly single: boolean;
  readonly allOrNothing: boolean;
  /** A digest of the operations, for a batch that has a request id; 32 hexadecimal digits. */
  readonly digest: string | undefined;
  /** The index past the call's last operation. */
  readonly end: number;
}

/** Calls that are decided and saved together, in one durable step. */
export interface Batch {
  readonly calls: readonly CallHead[];
  readonly ops: OpColumns;
}

/** One result an operation, same length, same order; and what is known once a call. */
export interface Outcomes {
  readonly values: BigInt64Array;
  readonly previous: BigInt64Array;
  readonly revisions: Float64Array;
  /** By operation: why this one of a batch was refused; its other columns are then 0. */
  readonly refusals: Map<number, Refusal>;
  /** By call: why nothing of it was applied. A single operation is refused here, and so is a whole group. */
  readonly callRefusals: Map<number, Refusal>;
  /** By call: milliseconds since the epoch. */
  readonly times: Float64Array;
  /** By call: 1 when its request id had been answered before. */
  readonly replayed: Uint8Array;
  /** By call, for a single operation that was applied: what its answer needs beyond the columns. */
  readonly singles: (SingleOutcome | undefined)[];
}

export interface SingleOutcome {
  readonly uid: string;
  /** The bounds, for the headroom; undefined in a replay, whose counter may have moved on. */
  readonly bounds: { readonly min: bigint | undefined; readonly max: bigint | undefined } | undefined;
}

export function newOutcomes(ops: number, calls: number): Outcomes {
  return {
    values: new BigInt64Array(ops),
    previous: new BigInt64Array(ops),
    revisions: new Float64Array(ops),
    refusals: new Map(),
    callRefusals: new Map(),
    times: new Float64Array(calls),
    replayed: new Uint8Array(calls),
    singles: new Array(calls).fill(undefined),
  };
}

export function newOpColumns(
  count: number,
  nameBytes: number,
): OpColumns & { extras: Map<number, OpExtras> } {
  return {
    count,
    verbs: new Uint8Array(count),
    amounts: new BigInt64Array(count),
    mustExist: new Uint8Array(count),
    names: new Uint8Array(nameBytes),
    nameEnds: new Uint32Array(count),
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
export function putOp(
  columns: OpColumns & { extras: Map<number, OpExtras> },
  i: number,
  at: number,
  op: Op,
): number {
  columns.verbs[i] = op.verb;
  columns.amounts[i] = op.amount;
  columns.mustExist[i] = op.mustExist ? 1 : 0;
  const { name } = op;
  for (let k = 0; k < name.length; k++) columns.names[at + k] = name.charCodeAt(k);
  columns.nameEnds[i] = at + name.length;
  if (op.etag !== undefined || op.note !== undefined || op.settings !== undefined) {
    columns.extras.set(i, { etag: op.etag, note: op.note, settings: op.settings });
  }
  return at + name.length;
}

/** Reads names out of columns. A fresh string each: a slice of one long string would keep all of it alive. */
export function nameReader(columns: OpColumns): (i: number) => string {
  const { names, nameEnds } = columns;
  const bytes = Buffer.from(names.buffer, names.byteOffset, names.byteLength);
  return (i) => bytes.toString("latin1", i === 0 ? 0 : nameEnds[i - 1], nameEnds[i]);
}

/** The operation at index i. */
export function opAt(columns: OpColumns, i: number, name: string): Op {
  const extras = columns.extras.size === 0 ? undefined : columns.extras.get(i);
  return {
    verb: columns.verbs[i] as Verb,
    name,
    amount: columns.amounts[i]!,
    mustExist: columns.mustExist[i] === 1,
    etag: extras?.etag,
    note: extras?.note,
    settings: extras?.settings,
  };
}
