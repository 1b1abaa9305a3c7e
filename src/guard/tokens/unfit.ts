import { errors } from "jose";
import type { ErrorCode } from "../../core/errors.ts";

/** A token that is no good. */
export interface Unfit {
  /** What its caller is told. */
  readonly code: Extract<
    ErrorCode,
    "CREDENTIAL_INVALID" | "CREDENTIAL_EXPIRED" | "CREDENTIAL_REVOKED" | "AUTH_UNAVAILABLE"
  >;
  /** What its caller is not told, but the operator: a clause without anything of the token's own. */
  readonly why: string;
  /** Whether a signature was checked for it, and was wrong. */
  readonly isForged?: true;
}

/** A token that is malformed, unknown or wrong: its caller is not told which. */
export function invalid(why: string): Unfit {
  return { code: "CREDENTIAL_INVALID", why };
}

/** Which of the two it is. */
export function isUnfit(said: object): said is Unfit {
  return "why" in said;
}

/**
 * Why a token did not pass jose's checks. What concerns its time is judged last, so that only who had a right one is told
 * that it has expired. What is none of jose's own errors is of a key that cannot be used, as its issuer may publish: of RSA
 * with 1,024 bits, or of a point that is not on its curve.
 */
export function unfitOf(error: unknown): Unfit {
  if (error instanceof errors.JWTExpired) return { code: "CREDENTIAL_EXPIRED", why: "it has expired" };
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return { code: "CREDENTIAL_INVALID", why: "its signature is not right", isForged: true };
  if (error instanceof errors.JOSEError) return invalid(error.message); // Sentences of jose, with names of claims alone.
  return invalid(`its key cannot be used: ${error instanceof Error ? error.message : "for no reason given"}`);
}
