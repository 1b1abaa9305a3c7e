import { SignJWT } from "jose";
import type { ApiKey } from "../api-key.ts";
import { capabilityKeyOf } from "../capability-key.ts";
import { CAPABILITY_TYPE } from "./claims.ts";

/** Sign a capability token with an API key. What it says is not looked at: see capabilityClaimsFrom. */
export function mintCapability(
  { id, secret }: ApiKey,
  claims: Readonly<Record<string, unknown>>,
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: CAPABILITY_TYPE, kid: id })
    .sign(capabilityKeyOf(secret).privateKey);
}
