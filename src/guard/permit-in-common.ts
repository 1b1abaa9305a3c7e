import type { CallHead, Permit } from "../transports/calls/authorise.ts";
import type { Verified } from "./tokens.ts";

/** What a permit follows from, beside the head of its call. */
export interface PermitBasis {
  /** Who calls: the same object as long as nothing that it stands on is another. */
  readonly said: Verified;
  /** Of the directory. */
  readonly revision: number;
  readonly formerCaller: string | undefined;
}

/**
 * The permit that the calls before had which came with the same headers over the same connection, and which had been judged
 * to be of the same caller; undefined: there is none, or what it followed from is another by now. That an object need not
 * be made is all that is saved: whoever asks has judged this call.
 */
export function permitInCommon(
  { kept, method, parts }: CallHead,
  { said, revision, formerCaller }: PermitBasis,
): Permit | undefined {
  const before = kept?.permitted;
  if (before === undefined || parts !== undefined) return undefined;
  const isSame = before.to === said && before.revision === revision && before.method === method;
  return isSame && before.permit.formerCaller === formerCaller ? before.permit : undefined;
}

/**
 * The head that a permit is made for: that of all calls with the same headers, and nothing of a single one, which would be
 * kept as long. One that is traced or logged has its own.
 */
export function headInCommon(head: CallHead): CallHead {
  const { kept, method, overGrpc, parts } = head;
  if (kept === undefined || parts !== undefined) return head;
  const peer = head.peer();
  return { method, overGrpc, headerOf: kept.headerOf, countOf: kept.countOf, kept, peer: () => peer };
}

/** Have the calls after this one have its permit too, if it was made for all of them. */
export function putInCommon(
  { kept, method, parts }: CallHead,
  permit: Permit,
  { said, revision }: PermitBasis,
): void {
  if (kept !== undefined && parts === undefined) kept.permitted = { permit, method, to: said, revision };
}
