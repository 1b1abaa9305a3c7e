import type { Refusal } from "../core/errors.ts";
import { apiKeyFromText, isKeyOf } from "./api-key.ts";
import { INVALID } from "./credentials.ts";
import type { Directory } from "./directory.ts";
import type { Verified } from "./tokens.ts";

/**
 * Whose API key it is. What has become of a key is told only to who has its secret.
 *
 * @param credential  what begins as one
 * @param nowMs       milliseconds since the Unix epoch
 */
export function verifiedKey(credential: string, directory: Directory, nowMs: number): Verified | Refusal {
  const given = apiKeyFromText(credential);
  const key = given && directory.keyById(given.id);
  if (key === undefined || !isKeyOf(given!, key)) return INVALID;
  if (key.revokeTimeMs !== undefined) return REVOKED;
  const principal = directory.principalById(key.principalId);
  // Either it was deleted, and its keys go next; or nobody can say what it is.
  if (principal === undefined) return INVALID;
  if (principal.disabled) return REVOKED;
  const { id: keyId, expireTimeMs } = key;
  if (expireTimeMs !== undefined && nowMs >= expireTimeMs) return EXPIRED;
  const { id, name, grants, rate } = principal;
  return {
    caller: id,
    callerName: name,
    credential: "key",
    keyId,
    grants,
    expireTimeMs,
    rate,
    depends: { principalId: id, keyId },
  };
}

/** Of who has the right secret. */
export const EXPIRED: Refusal = { code: "CREDENTIAL_EXPIRED" };
export const REVOKED: Refusal = { code: "CREDENTIAL_REVOKED" };
