import { createHash } from "node:crypto";
import { takeText } from "../core/asked.ts";
import { CALLER_NAME_BYTES_MAX } from "../core/change.ts";
import {
  type Batch,
  type CallHead,
  nameReader,
  newOpColumns,
  type OpColumns,
  type Outcomes,
  putOp,
  type Takes,
  toCallColumns,
} from "../core/columns.ts";
import type { Op } from "../core/op.ts";
import { settingsText } from "../core/settings.ts";
import type { CallParts } from "../telemetry/call-parts.ts";
import type { Waiter } from "./queue.ts";

/** What a caller asks for in one request, and how it is to be answered. */
export interface Call extends Waiter {
  /** See CallHead for this and the two after it. */
  readonly caller: string;
  readonly callerName?: string | undefined;
  readonly formerCaller?: string | undefined;
  readonly requestId: string | undefined;
  /** One operation, or a batch in columns. */
  readonly ops: Op | OpColumns;
  readonly allOrNothing: boolean;
  /** Takes from limits: see CallHead. */
  readonly takes?: Takes | undefined;
  /** To be told how far it has come; undefined: nobody asks. */
  readonly parts?: CallParts | undefined;
}

/** Where a call's outcomes stand: call `c` of the batch, operations `first` to `end`. */
export interface Settled {
  readonly outcomes: Outcomes;
  readonly c: number;
  readonly first: number;
  readonly end: number;
}

/** The calls' operations one after another in columns. */
export function toBatch(calls: readonly Omit<Call, keyof Waiter>[]): Batch {
  let count = 0;
  let nameBytes = 0;
  for (const { ops } of calls) {
    count += isColumns(ops) ? ops.count : 1;
    nameBytes += isColumns(ops) ? ops.names.length : ops.name.length;
  }
  const columns = newOpColumns(count, nameBytes);
  const heads: CallHead[] = [];
  let i = 0;
  let at = 0;
  for (const { caller, callerName, formerCaller, requestId, ops, allOrNothing, takes } of calls) {
    const single = !isColumns(ops);
    if (single) {
      at = putOp(columns, i, at, ops);
      i += 1;
    } else {
      columns.verbs.set(ops.verbs, i);
      columns.amounts.set(ops.amounts, i);
      columns.mustExist.set(ops.mustExist, i);
      if (ops.mayNotCreate !== undefined) {
        columns.mayNotCreate ??= new Uint8Array(count);
        columns.mayNotCreate.set(ops.mayNotCreate, i);
      }
      columns.names.set(ops.names, at);
      for (let k = 0; k < ops.count; k++) columns.nameEnds[i + k] = at + ops.nameEnds[k]!;
      for (const [k, extras] of ops.extras) columns.extras.set(i + k, extras);
      i += ops.count;
      at += ops.names.length;
    }
    const digest = single || requestId === undefined ? undefined : digestOf(ops, takes);
    const end = i;
    heads.push({ caller, callerName, formerCaller, requestId, single, allOrNothing, takes, digest, end });
  }
  return { calls: toCallColumns(heads), ops: columns };
}

/** @throws  TypeError of a caller's name that is too long */
export function assertNamed({ callerName = "" }: Call): void {
  if (callerName.length * UTF8_BYTES_MAX <= CALLER_NAME_BYTES_MAX) return; // As nearly all are, and bytes need not be counted.
  const [bytes, max] = [Buffer.byteLength(callerName), CALLER_NAME_BYTES_MAX];
  if (bytes > max) throw new TypeError(`expected a caller's name of at most ${max} bytes, got ${bytes}`);
}

/** Of a character, as JavaScript counts them. */
const UTF8_BYTES_MAX = 3;

/** How many operations a call has. */
export function opsIn({ ops }: Call): number {
  return isColumns(ops) ? ops.count : 1;
}

/** What a call occupies while it waits, in bytes. */
export function bytesOf({ ops }: Call): number {
  return CALL_BYTES + (isColumns(ops) ? ops.names.length : ops.name.length);
}

/** The counters that a call's operations name. */
export function namesIn({ ops }: Call): readonly string[] {
  if (!isColumns(ops)) return [ops.name];
  const nameAt = nameReader(ops);
  return Array.from({ length: ops.count }, (_, i) => nameAt(i));
}

/** Whether one of its operations names one of some counters. */
export function isOnAny({ ops }: Call, counters: ReadonlySet<string>): boolean {
  if (counters.size === 0) return false;
  if (!isColumns(ops)) return counters.has(ops.name);
  const nameAt = nameReader(ops);
  for (let i = 0; i < ops.count; i++) if (counters.has(nameAt(i))) return true;
  return false;
}

/** What a queued call occupies beside its names; a guess on the safe side. */
const CALL_BYTES = 200;

function isColumns(ops: Op | OpColumns): ops is OpColumns {
  return "verbs" in ops;
}

/** Of a batch's operations, so that reuse of its request id for others is noticed; without what the caller may. */
function digestOf(ops: OpColumns, takes: Takes | undefined): string {
  const hash = createHash("sha256");
  for (const column of [ops.verbs, ops.amounts, ops.mustExist, ops.names, ops.nameEnds]) hash.update(column);
  for (const [k, { etag, note, settings }] of ops.extras) {
    const missing = settings === undefined ? [] : [settingsText(settings)];
    hash.update(JSON.stringify([k, etag, note, ...missing]));
  }
  const digest = hash.digest("hex").slice(0, 32);
  if (takes === undefined || ops.count > 1) return digest;
  return digest + takeText({ name: nameReader(ops)(0), amount: ops.amounts[0]! });
}
