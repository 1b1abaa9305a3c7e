import { type Grant, Grants, grantFromText } from "../../core/grants.ts";
import { INT64_MAX } from "../../core/int64.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";
import type { Rate } from "../rate.ts";

/** The `typ` in the header of a capability token. */
export const CAPABILITY_TYPE = "tally-cap+jwt";

/** Its `iss`. */
export const CAPABILITY_ISSUER = "tally";

/** How far ahead a capability token may expire, in milliseconds: 30 days. */
export const CAPABILITY_TTL_MAX_MS = 30 * 86_400_000;

/**
 * How far the clock of who signs may be ahead of ours, in milliseconds: its `nbf` may be so much later than now, and its
 * `exp` so much later than 30 days from now. As for issuers of OIDC by default.
 */
export const CLOCKS_APART_MS = 60_000;

/** What a capability token says. */
export interface CapabilityClaims {
  /** What it may, if its principal may too. */
  readonly allow: Grants;
  /** From when on it is of no use, in milliseconds since the Unix epoch. */
  readonly expireTimeMs: number;
  /** The largest amount of one operation; undefined: any. */
  readonly amountMax: bigint | undefined;
  /** How often it may be used. */
  readonly rate: Rate;
  /** Who it was made for, in 1 to 64 bytes of UTF-8 without control characters; undefined: its principal itself. */
  readonly sub: string | undefined;
  /** The origins whose pages may use it, as browsers send them; undefined: all. */
  readonly origins: readonly string[] | undefined;
}

/**
 * Read the claims of a capability token. Those that are not known are left alone, but for `aud`: a token for somebody else
 * is none for us (RFC 7519, section 4.1.3).
 *
 * @returns  what they say; or what is wrong with them, as a clause that begins with the claim's name
 */
export function capabilityClaimsFrom(
  claims: Readonly<Record<string, unknown>>,
  nowMs: number,
): CapabilityClaims | string {
  try {
    if (claims.iss !== CAPABILITY_ISSUER) throw new ClaimError(`iss must be "${CAPABILITY_ISSUER}"`);
    if (claims.aud !== undefined) throw new ClaimError("aud must not be there");
    return {
      allow: allowOf(claims.allow),
      expireTimeMs: expiryOf(claims.exp, nowMs),
      amountMax: amountOf(claims.max_amount),
      rate: rateOf(claims.rate),
      sub: subOf(claims.sub),
      origins: originsOf(claims.origins),
    };
  } catch (error) {
    if (error instanceof ClaimError) return error.message;
    throw error;
  }
}

/** A claim that is not as it must be: a clause. Never leaves this file. */
class ClaimError extends Error {
  override readonly name = "ClaimError";
}

function expiryOf(exp: unknown, nowMs: number): number {
  if (typeof exp !== "number" || !Number.isFinite(exp))
    throw new ClaimError("exp must be there, a number of seconds since 1970");
  if (exp * 1_000 > nowMs + CAPABILITY_TTL_MAX_MS + CLOCKS_APART_MS)
    throw new ClaimError("exp must be at most 30 days from now");
  return exp * 1_000;
}

function allowOf(allow: unknown): Grants {
  if (!isListOf(allow, 16)) throw new ClaimError("allow must be a list of 1 to 16 grants");
  return new Grants(allow.map(grantOf));
}

const ON_ANY: Permissions = Permission.READ | Permission.INCREMENT | Permission.DECREMENT;

function grantOf(text: string): Grant {
  const grant = grantFromText(text);
  if (typeof grant === "string") throw new ClaimError(`allow has a grant that ${grant}`);
  const permitted = "name" in grant ? ON_ANY | Permission.CREATE : ON_ANY;
  if ((grant.permissions & ~permitted) !== 0)
    throw new ClaimError(
      "allow may have read, increment and decrement, and create on single names (create@=NAME) alone",
    );
  return grant;
}

function amountOf(amount: unknown): bigint | undefined {
  if (amount === undefined) return undefined;
  const isWhole = Number.isSafeInteger(amount) || (typeof amount === "string" && /^\d{1,19}$/.test(amount));
  const value = isWhole ? BigInt(amount as number | string) : 0n;
  if (value < 1n || value > INT64_MAX)
    throw new ClaimError("max_amount must be a whole number from 1 to 2^63-1; in a string from 2^53 on");
  return value;
}

/** For a page that counts its visitor, and a visitor who reads on. */
const RATE_DEFAULT: Rate = { calls: 1, callsBurst: 20 };

function rateOf(rate: unknown): Rate {
  if (rate === undefined) return RATE_DEFAULT;
  const { per_second: calls, burst = calls } = Object(rate) as { per_second?: unknown; burst?: unknown };
  if (!isCount(calls, 1_000_000) || !isCount(burst, 10_000_000))
    throw new ClaimError("rate must have per_second, 1 to 1,000,000, and may have burst, 1 to 10,000,000");
  return { calls, callsBurst: burst };
}

function isCount(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max;
}

function subOf(sub: unknown): string | undefined {
  if (sub === undefined) return undefined;
  if (
    typeof sub !== "string" ||
    sub === "" ||
    !sub.isWellFormed() ||
    /\p{Cc}/u.test(sub) ||
    Buffer.byteLength(sub) > 64
  )
    throw new ClaimError("sub must be 1 to 64 bytes of UTF-8 without control characters");
  return sub;
}

function originsOf(origins: unknown): readonly string[] | undefined {
  if (origins === undefined) return undefined;
  if (!isListOf(origins, 16) || !origins.every((origin) => URL.parse(origin)?.origin === origin))
    throw new ClaimError(
      "origins must be a list of 1 to 16 origins as browsers send them: https://shop.example",
    );
  return origins;
}

function isListOf(value: unknown, max: number): value is string[] {
  return (
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= max &&
    value.every((item) => typeof item === "string" && item.length <= 300)
  );
}
