import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from "node:crypto";

/** The pair of Ed25519 keys that belongs to an API key: who holds the secret signs, and who has the public half checks. */
export interface CapabilityKey {
  readonly privateKey: KeyObject;
  /** Its 32 bytes in base64url: what is kept, and the `x` of the key as a JWK. */
  readonly publicKey: string;
}

/**
 * The keys that capability tokens are signed with, of an API key's secret: so whoever holds a key can make tokens without
 * asking a server, and a stolen store makes none.
 *
 * The seed is HKDF-SHA-256 of the secret, without a salt, with the info "tally capability v1", of 32 bytes: in any
 * language.
 *
 * @param secret  the 32 bytes of the API key
 */
export function capabilityKeyOf(secret: Buffer): CapabilityKey {
  const seed = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), INFO, 32));
  const der = Buffer.concat([PKCS8_ED25519, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  return { privateKey, publicKey: x! };
}

const INFO = "tally capability v1";

/** What stands before the seed in a private key of RFC 8410, section 7. */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
