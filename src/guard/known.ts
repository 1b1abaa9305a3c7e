import type { Grants } from "../core/grants.ts";
import type { Rate } from "./rate.ts";

/** What the directory knows just now, as far as tokens and certificates are looked up in it. */
export interface Known {
  /** Undefined: there is none, it cannot be read, or its principal is gone. */
  keyById(id: string): KnownKey | undefined;
  principalById(id: string): KnownPrincipal | undefined;
  /**
   * For whom a name from elsewhere stands, "certificate:NAME" or "oidc:ALIAS:SUBJECT"; undefined: it is not bound. Bound,
   * and without a principal: it stands for nobody.
   */
  bindingOf(subject: string): { readonly principal: KnownPrincipal | undefined } | undefined;
}

/** What is known of an API key. */
export interface KnownKey {
  readonly principalId: string;
  /** Of the key pair that its secret gives: see capability-key.ts. */
  readonly publicKey: string;
  /** From when on it is of no use, in milliseconds since the Unix epoch; undefined: never. */
  readonly expireTimeMs?: number | undefined;
  /** Since when it is revoked; undefined: it is not. */
  readonly revokeTimeMs?: number | undefined;
}

/** What is known of a principal. */
export interface KnownPrincipal {
  readonly id: string;
  readonly name: string;
  readonly grants: Grants;
  readonly disabled: boolean;
  readonly rate?: Rate | undefined;
}
