import type { Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";
import type { Access } from "./authorise.ts";
import { about, type Refused } from "./call.ts";

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
  return operations > 1 ? access?.charge(operations - 1) : undefined;
}

const BOUNDED: ReadonlySet<Verb> = new Set<Verb>([Verb.INCREMENT, Verb.DECREMENT, Verb.TAKE, Verb.GIVE_BACK]);
