import { hash } from "node:crypto";
import type { Refusal } from "../core/errors.ts";
import type { CallHead, Peer, Shown } from "../transports/calls/authorise.ts";

/** By what somebody said who they are; "none" is nobody in particular. */
export type CredentialKind = "key" | "root" | "oidc" | "certificate" | "capability" | "none";

/** The one credential of a call, and what it is known under; looked for once in headers that are kept. */
export function shownBy(head: CallHead): Shown {
  const { kept } = head;
  if (kept?.shown !== undefined) return kept.shown;
  const credential = credentialIn(head);
  const shown = typeof credential === "string" ? digested(credential, head) : { credential, digest: "" };
  if (kept !== undefined) kept.shown = shown;
  return shown;
}

/** Its digest, which is made once where a connection shows the same credential again and again. */
function digested(credential: string, head: CallHead): Shown {
  if (head.kept !== undefined || credential.length > LAST_BYTES_MAX) return shownAs(credential);
  const peer = head.peer();
  const last = LAST_SHOWN.get(peer);
  if (last?.credential === credential) return last;
  const shown = shownAs(credential);
  LAST_SHOWN.set(peer, shown);
  return shown;
}

function shownAs(credential: string): Shown {
  return { credential, digest: hash("sha256", credential, "base64url") };
}

/** What each connection has shown last, for as long as it is there. What that is good for is not kept with it. */
const LAST_SHOWN = new WeakMap<Peer, Shown>();

/** A longer one is not kept beside its connection. */
const LAST_BYTES_MAX = 2_048;

/**
 * The one credential that came in the headers of a call, alike at every door: `authorization: Bearer ...`, or `x-api-key`. One
 * that was left out of account would make its sender nobody, who may do everything while a credential is optional.
 *
 * @returns  as it was sent, up to 8 KiB of printable ASCII; undefined when none was; or why it is none
 */
export function credentialIn(head: CallHead): string | Refusal | undefined {
  const authorization = head.headerOf("authorization");
  const key = head.headerOf("x-api-key");
  if (authorization === undefined) {
    if (key === undefined) return undefined;
    return head.countOf("x-api-key") > 1 ? AMBIGUOUS : wellFormed(key);
  }
  if (key !== undefined || head.countOf("authorization") > 1) return AMBIGUOUS;
  const [scheme] = BEARER.exec(authorization) ?? [];
  return scheme === undefined ? INVALID : wellFormed(authorization.slice(scheme.length));
}

/** No credential has a comma: what has one is two of them that something on the way has put together. */
function wellFormed(credential: string): string | Refusal {
  if (credential.includes(",")) return AMBIGUOUS;
  return credential.length <= CREDENTIAL_BYTES_MAX && CHARACTERS.test(credential) ? credential : INVALID;
}

/** What is refused alike, whatever is wrong with it. */
export const INVALID: Refusal = { code: "CREDENTIAL_INVALID" };
const AMBIGUOUS: Refusal = { code: "CREDENTIAL_AMBIGUOUS" };

/** Printable ASCII without a space and a comma. */
const CHARACTERS = /^[!-+\--~]+$/;
/** RFC 9110, 11.4: spaces, and nothing else that is blank. */
const BEARER = /^bearer +/i;
const CREDENTIAL_BYTES_MAX = 8 * 1024;
