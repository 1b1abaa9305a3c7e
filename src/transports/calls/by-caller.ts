/** What is asked of the writer, by who asks: as whose call, whether they may, and how far. */
import type { Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";
import type { Call } from "../../service/call.ts";
import type { Access } from "./authorise.ts";
import { about, type CallContext, type Refused } from "./call.ts";

/** What of a call for the writer is not who calls. */
type CallFields = Pick<Call, "requestId" | "ops" | "allOrNothing" | "takes">;

/** A call for the writer, by who makes it. */
export function toCall(context: CallContext, { requestId, ops, allOrNothing, takes }: CallFields): Call {
  const { caller, callerName, formerCaller, deadline, parts } = context;
  const cancelled = () => context.cancelled();
  return {
    caller,
    callerName,
    formerCaller,
    requestId,
    ops,
    allOrNothing,
    takes,
    deadline,
    cancelled,
    parts,
  };
}

/**
 * Why a caller may not do an operation; undefined: they may.
 *
 * @param needed  what the method needs that does it alone; where that is to read alone, it is only asked what would be
 */
export function opDenial(access: Access | undefined, needed: Permissions, op: Op): Refused | undefined {
  if (access === undefined) return undefined;
  const { name, verb, amount } = op;
  const denied =
    access.denial(needed | neededBeside(verb, op.settings), { name }) ??
    (needed === Permission.READ ? undefined : amountDenial(access, verb, amount));
  return denied && about(name, denied);
}

/** An operation as its caller may do it: who may not create has it refused where its counter is missing. */
export function asPermitted(op: Op, access: Access | undefined): Op {
  if (access === undefined || (access.everywhere & Permission.CREATE) !== 0 || !makes(op.verb)) return op;
  return access.allows(Permission.CREATE, { name: op.name }) ? op : { ...op, mayCreate: false };
}

/** What is needed for settings that come with an operation which counts, whether or not the counter is there. */
export function neededBeside(verb: Verb, settings: Op["settings"]): Permissions {
  return settings !== undefined && makes(verb) ? Permission.CREATE | Permission.MANAGE : 0;
}

/** Whether a missing counter comes to be by the way, by an operation that is for something else. */
export function makes(verb: Verb): boolean {
  return verb === Verb.INCREMENT || verb === Verb.SET || verb === Verb.TAKE;
}

/** Why an amount is larger than the caller may give or take. What is set is not bounded by that. */
export function amountDenial({ amountMax }: Access, verb: Verb, amount: bigint): Refusal | undefined {
  if (amountMax === undefined || amount <= amountMax || !BOUNDED.has(verb)) return undefined;
  const expected = `its credential is for amounts of up to ${amountMax} in one operation`;
  return { code: "PERMISSION_DENIED", expected, requested: amount, max: amountMax };
}

/** Why a call of many operations is too much for now; one of them was counted when its headers came. */
export function charged(access: Access | undefined, operations: number): Refusal | undefined {
  return operations > 1 ? access?.charge(operations - 1, 1) : undefined;
}

const BOUNDED: ReadonlySet<Verb> = new Set<Verb>([Verb.INCREMENT, Verb.DECREMENT, Verb.TAKE, Verb.GIVE_BACK]);
