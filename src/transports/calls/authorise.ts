import type { DescMethod } from "@bufbuild/protobuf";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { nameReader, type OpColumns } from "../../core/columns.ts";
import type { Refusal } from "../../core/errors.ts";
import { Verb } from "../../core/op.ts";
import { about, type HeaderOf, type Refused } from "./call.ts";

/**
 * Who calls, judged by the headers of a request alone, before anything of its body is read; or why that cannot be said.
 * Every door asks it of every call. What it throws or rejects with is a defect, and refuses the call.
 */
export type Authorise = (headerOf: HeaderOf) => Permit | Refusal | Promise<Permit | Refusal>;

/** A caller, and what they may do. */
export interface Permit {
  /** Who it is; request ids are kept under it. */
  readonly caller: string;
  /** Asked once the request is read, before anything is done. Without it the caller may do everything. */
  readonly denial?: Denial | undefined;
}

/**
 * Why a caller may not do to a counter what a method does to it; undefined: they may. An operation of a batch is asked
 * for as the method that does it alone.
 */
export type Denial = (method: DescMethod, target: Target) => Refusal | undefined;

/** What a call is about: a counter by its name, there or not, or all whose names begin with a prefix. */
export type Target = { readonly name: string } | { readonly prefix: string };

/** As long as there are no credentials: whoever calls may do everything. */
export const allowAll: Authorise = () => ANYBODY;

const ANYBODY: Permit = { caller: "" };

/** Why a caller may not do an operation of a batch: the first that is so refuses all of it. */
export function batchDenial(ops: OpColumns, denial: Denial): Refused | undefined {
  const nameAt = nameReader(ops);
  for (let index = 0; index < ops.count; index++) {
    const name = nameAt(index);
    const refusal = denial(METHODS[ops.verbs[index]!]!, { name });
    if (refusal !== undefined) return about(name, { ...refusal, index });
  }
  return undefined;
}

const { increment, decrement, set, reset } = CounterService.method;

/** The method that does an operation alone. */
const METHODS: Readonly<Record<number, DescMethod>> = {
  [Verb.INCREMENT]: increment,
  [Verb.DECREMENT]: decrement,
  [Verb.SET]: set,
  [Verb.RESET]: reset,
};
