import type { Grant } from "../../core/grants.ts";

/** An issuer of OIDC whose access tokens say who calls. */
export interface OidcIssuer {
  /** What it is called here: 1 to 32 characters of a-z, 0-9 and "-". */
  readonly alias: string;
  /** Its URL, to the last character as its tokens have it in `iss`. */
  readonly issuer: string;
  /** One of them has to be in a token's `aud`. */
  readonly audiences: readonly string[];
  /** By which its tokens may be signed; none of them with a secret that both sides have. */
  readonly algorithms: readonly string[];
  /** What a token's `typ` has to be; undefined: `JWT`, `at+jwt`, or nothing. */
  readonly tokenType: string | undefined;
  /** How far its clock and ours may be apart, in milliseconds. */
  readonly clockToleranceMs: number;
  /** What its people may who are not bound to a principal. */
  readonly rules: readonly OidcRule[];
}

/** What somebody may of whom a token says something. */
export interface OidcRule {
  /** The claim's name; several: where it is in a claim that is an object. */
  readonly claim: readonly string[];
  /** What it has to be, or to have in its list. */
  readonly has: string;
  readonly grants: readonly Grant[];
}
