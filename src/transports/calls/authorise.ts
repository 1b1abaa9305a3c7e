import type { DescMethod } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";

/**
 * A header of a request, by its name in lower case: several of one name joined by ", ", as RFC 9110 has it (section
 * 5.3); undefined without it. Metadata of gRPC is headers too, in base64 where its name ends in "-bin".
 */
export type HeaderOf = (name: string) => string | undefined;

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
