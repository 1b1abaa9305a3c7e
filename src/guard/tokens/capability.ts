import { type JWTPayload, jwtVerify } from "jose";
import { intersect } from "../../core/grants.ts";
import type { Known } from "../known.ts";
import type { Verified } from "../tokens.ts";
import { CAPABILITY_ISSUER, CAPABILITY_TYPE, CLOCKS_APART_MS, capabilityClaimsFrom } from "./claims.ts";
import { hashOf, percentName } from "./names.ts";
import { invalid, isUnfit, type Unfit, unfitOf } from "./unfit.ts";

/**
 * Who a capability token stands for: whoever holds an API key has signed with it what another may do in its place, for a
 * time. The token may what it says and what the key's principal may now, both.
 *
 * With a `sub` it has request ids of its own: those of its principal's id, "/", and a hash of the `sub`.
 *
 * @param kid    of the token's header, not checked
 * @param known  the directory as it is now
 */
export async function verifyCapability(
  token: string,
  kid: unknown,
  known: () => Known,
  nowMs: number,
): Promise<Verified | Unfit> {
  if (typeof kid !== "string") return invalid("its kid is the id of no API key");
  const before = known().keyById(kid);
  if (before === undefined) return invalid("its kid is the id of no API key");
  const signed = await signedClaims(token, before.publicKey, nowMs);
  if (isUnfit(signed)) return signed;

  const key = known().keyById(kid); // Now that the signature was waited for.
  const principal = key && known().principalById(key.principalId);
  if (key === undefined || principal === undefined || principal.disabled || key.revokeTimeMs !== undefined)
    return {
      code: "CREDENTIAL_REVOKED",
      why: "its API key is revoked, or its principal is disabled or deleted",
    };
  const { expireTimeMs: keyExpireTimeMs = Number.POSITIVE_INFINITY } = key;
  if (keyExpireTimeMs <= nowMs) return { code: "CREDENTIAL_EXPIRED", why: "its API key has expired" };
  const claims = capabilityClaimsFrom(signed.payload, nowMs);
  if (typeof claims === "string") return invalid(claims);
  const { sub, amountMax, rate, origins } = claims;
  if (claims.expireTimeMs <= nowMs) return { code: "CREDENTIAL_EXPIRED", why: "it has expired" }; // jose knows no parts of seconds.
  return {
    caller: `${principal.id}/${sub === undefined ? "" : hashOf(sub)}`, // Never its principal's own: a visitor's ids answer for visitors.
    callerName: sub === undefined ? principal.name : `${principal.name}/${percentName(sub)}`,
    credential: "capability",
    keyId: kid,
    token: hashOf(token), // It can be written in one way: see isCanonical.
    grants: intersect(claims.allow, principal.grants),
    amountMax,
    expireTimeMs: Math.min(claims.expireTimeMs, keyExpireTimeMs),
    rate,
    origins,
    depends: { principalId: principal.id, keyId: kid },
  };
}

/** The claims, once the signature is right and the token is of now. */
async function signedClaims(
  token: string,
  publicKey: string,
  nowMs: number,
): Promise<{ readonly payload: JWTPayload } | Unfit> {
  try {
    return await jwtVerify(
      token,
      { kty: "OKP", crv: "Ed25519", x: publicKey },
      {
        algorithms: ["EdDSA"],
        typ: CAPABILITY_TYPE,
        issuer: CAPABILITY_ISSUER,
        requiredClaims: ["exp"],
        clockTolerance: CLOCKS_APART_MS / 1_000, // Of nbf: exp is held against the clock above, to the millisecond.
        currentDate: new Date(nowMs),
      },
    );
  } catch (error) {
    return unfitOf(error);
  }
}
