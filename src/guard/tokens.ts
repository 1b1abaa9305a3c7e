import type { X509Certificate } from "node:crypto";
import type { Refusal } from "../core/errors.ts";
import type { Grants } from "../core/grants.ts";
import type { CallHead } from "../transports/calls/authorise.ts";
import type { CredentialKind } from "./credentials.ts";
import type { Rate } from "./rate.ts";

/** What a credential that is good says. */
export interface Verified {
  /** Whose request ids they are: a principal's id, or what stands for somebody who is none. */
  readonly caller: string;
  /** Who it is in words. */
  readonly callerName: string;
  readonly credential: CredentialKind;
  /** The id of the API key, or of the one that signed the token. */
  readonly keyId?: string | undefined;
  /** Of a token that has a rate of its own: a text that no other one has. */
  readonly token?: string | undefined;
  readonly grants: Grants;
  /** The largest amount of one operation; undefined: any. */
  readonly amountMax?: bigint | undefined;
  /** From when on it is refused as CREDENTIAL_EXPIRED, in milliseconds since the Unix epoch; undefined: never. */
  readonly expireTimeMs?: number | undefined;
  /** How often; undefined: as the server has it for everybody. */
  readonly rate?: Rate | undefined;
  /** Of a token that is for pages of some origins alone: these. */
  readonly origins?: readonly string[] | undefined;
  /** What of the directory was looked at. As long as none of it is another, all of the above still holds. */
  readonly depends: Depends;
}

/** What a credential stands on in the directory; undefined: on none of that kind. */
export interface Depends {
  readonly principalId?: string | undefined;
  readonly keyId?: string | undefined;
  /** Of bindings, also where there was none: see bindingKeyOf. */
  readonly subjects?: readonly string[] | undefined;
}

/**
 * Who judges tokens. What it says of a good one is kept until what that depends on in the directory is another, and no
 * longer than `expireTimeMs`; a refusal is not kept.
 */
export interface TokenVerifier {
  /**
   * @param token    three parts with "." between them, up to 8 KiB of printable ASCII; not looked at any further
   * @param address  whose it is: the IP address of who calls
   * @returns        who it is; or why not: CREDENTIAL_INVALID, CREDENTIAL_EXPIRED, CREDENTIAL_REVOKED, AUTH_UNAVAILABLE,
   *                 RATE_LIMITED
   */
  verify(token: string, address: string): Verified | Refusal | Promise<Verified | Refusal>;
  /**
   * Why a token that is good may not be used for this call; undefined: it may. Asked of each call, for what is kept of a
   * token is not all of it: whose pages may use it, say. Absent: any may.
   */
  denial?(verified: Verified, head: CallHead): Refusal | undefined;
  close?(): void;
}

/** Who judges the certificates that clients have shown, each verified against the authority already. Kept as tokens are. */
export interface CertificateVerifier {
  /** @returns  who it is; or CREDENTIAL_INVALID, CREDENTIAL_EXPIRED, CREDENTIAL_REVOKED */
  verify(certificate: X509Certificate, head: CallHead): Verified | Refusal;
}

/** Which of the two it is. */
export function isVerified(said: Verified | Refusal): said is Verified {
  return "credential" in said;
}
