import type { X509Certificate } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import type { Grants, Target } from "../../core/grants.ts";
import type { Permissions } from "../../core/permissions.ts";
import type { Prefixes } from "../../core/prefixes.ts";
import type { CallParts } from "../../telemetry/call-parts.ts";

export type { Target };

/**
 * A header of a request, by its name in lower case: several of one name joined by ", ", as RFC 9110 has it (section
 * 5.3); undefined without it. Metadata of gRPC is headers too, in base64 where its name ends in "-bin".
 */
export type HeaderOf = (name: string) => string | undefined;

/** What is known of a call before anything of its body is read. */
export interface CallHead {
  /** What is called. */
  readonly method: DescMethod;
  readonly headerOf: HeaderOf;
  /** How often a header was sent, by its name in lower case: for those that must not be there twice. */
  countOf(name: string): number;
  /** Whether it came over gRPC, whose clients send metadata and no other header. */
  readonly overGrpc: boolean;
  /** Who is at the other end of the connection: the same object for all calls of one. */
  peer(): Peer;
  /** The same object for calls whose headers came in the same bytes over one connection; undefined: that is not known. */
  readonly kept?: KeptOfHeaders | undefined;
  /** Which trace it is in, if it is recorded; who measures it sets it before anybody is asked who calls. */
  parts?: CallParts | undefined;
}

/** What is kept of headers that are sent again and again, so that it is not looked for in each. */
export interface KeptOfHeaders extends Pick<CallHead, "headerOf" | "countOf"> {
  /** Which credential they show: nothing of what that is good for. */
  shown?: Shown | undefined;
  /** What the last call with them was permitted. Who judges the next one says whether it is permitted the same. */
  permitted?: Permitted;
}

/** A permit that calls have in common, and what it was given for, for who gave it. */
export interface Permitted {
  readonly permit: Permit;
  readonly method: DescMethod;
  readonly to: object;
  readonly revision: number;
}

/** What headers show of who calls. */
export interface Shown {
  /** A credential as it was sent; undefined when there is none; or why it is none. */
  readonly credential: string | Refusal | undefined;
  /** What is known of it is kept under that: SHA-256 in base64url; "" of none. */
  readonly digest: string;
}

/** Who is at the other end of a connection. */
export interface Peer {
  /** Their IP address; "" where it is not known. */
  readonly address: string;
  /** The certificate that they have shown and that was verified, over TLS; undefined: none. */
  readonly certificate: X509Certificate | undefined;
}

/**
 * Who calls, judged by the head of a call alone, before anything of its body is read; or why that cannot be said.
 * Every door asks it of every call. What it throws or rejects with is a defect, and refuses the call.
 *
 * `came` is just now, of a call whose headers have just come; without it the clocks are read.
 */
export type Authorise = (head: CallHead, came?: Instant) => Permit | Refusal | Promise<Permit | Refusal>;

/** When something is, by both clocks: for who has read them already. */
export interface Instant {
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** By the clock that never goes back, in milliseconds. */
  readonly monotonicMs: number;
}

/** A caller, and what they may do. */
export interface Permit {
  /** Who it is: request ids are kept under it. */
  readonly caller: string;
  /** Who it is in words, for the change log; undefined: the same. */
  readonly callerName?: string | undefined;
  /** Under whom their request ids may be kept from before they had to say who they are; undefined: nobody else. */
  readonly formerCaller?: string | undefined;
  /** What they may do; undefined: everything, as often as they like. */
  readonly access?: Access | undefined;
  /**
   * Aborted when this is not so any more, by its reason, a Refusal: what then still goes on for the caller (a stream) is
   * ended with that. Undefined: it does not come to that.
   */
  readonly revoked?: AbortSignal | undefined;
  /**
   * Why this is not so any more, asked when the request is there, which may be long after its head; undefined: it still is.
   * What it rejects with is a defect, and refuses the call.
   *
   * @param atOnce  whether the request was there as soon as this was said, in the same turn of the event loop: then no time
   *                has passed, and no clock is read
   */
  readonly lapsed?: ((atOnce?: boolean) => Refusal | undefined | Promise<Refusal | undefined>) | undefined;
  /** When the credential expires, which ends what still goes on: milliseconds since the Unix epoch; undefined: never. */
  readonly expireTimeMs?: number | undefined;
}

/** What a caller may do, asked once the request is read, before anything is done. */
export interface Access {
  /** What they may do to whatever there is: for these nothing else need be asked. */
  readonly everywhere: Permissions;
  /** The largest amount of one operation; undefined: any. */
  readonly amountMax?: bigint | undefined;
  /** Whether they may do something to a target, all of it. Counts as no attempt. */
  allows(needed: Permissions, target: Target): boolean;
  /** Why they may not; undefined: they may. What is refused is told to the operator. */
  denial(needed: Permissions, target: Target): Refusal | undefined;
  /**
   * Prefixes so that whatever begins with one of them is allowed: of many names these need not be asked for then. Undefined:
   * nobody knows.
   */
  prefixesFor?(needed: Permissions): Prefixes | undefined;
  /**
   * Count what a call asks for beyond the one operation that was counted with its head.
   *
   * @param counted  1: that one is not done either when these are refused, and is given back; 0 by default
   * @returns        why it is too much for now; undefined: it is not
   */
  charge(operations: number, counted?: number): Refusal | undefined;
  /** As whom they are known, and by what; undefined: nobody asks. */
  readonly identity?: Identity | undefined;
}

/** As whom a caller is known, and by what: for who asks who they are themselves. */
export interface Identity {
  /** The principal's name, `root`, `anonymous`, or "oidc:ALIAS:SUBJECT". */
  readonly name: string;
  /** By what it was said: `key`, `root`, `oidc`, `certificate`, `capability` or `none`. */
  readonly credential: string;
  /** The id of the API key, or of the one that signed the token. */
  readonly keyId: string | undefined;
  /** What they may do. */
  readonly grants: Grants;
  /** From when on the credential is refused, in milliseconds since the Unix epoch; undefined: never. */
  readonly expireTimeMs: number | undefined;
  /** Where the call came from; "" where that is not known. */
  readonly address: string;
}

/** As long as there are no credentials: whoever calls may do everything. */
export const allowAll: Authorise = () => ANYBODY;

const ANYBODY: Permit = { caller: "" };
