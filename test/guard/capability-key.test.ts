import { createPublicKey, hkdfSync, sign, verify } from "node:crypto";
import { expect, it } from "vitest";
import { capabilityKeyOf } from "../../src/guard/capability-key.ts";

const SECRET = Buffer.alloc(32, 7);

it("signs what the public half checks, and what that of another secret does not", () => {
  const { privateKey, publicKey } = capabilityKeyOf(SECRET);
  const signature = sign(null, Buffer.from("tally"), privateKey);
  const checks = (x: string) =>
    verify(
      null,
      Buffer.from("tally"),
      createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }),
      signature,
    );
  expect(checks(publicKey)).toBe(true);
  expect(checks(capabilityKeyOf(Buffer.alloc(32, 8)).publicKey)).toBe(false);
});

it("is always the same of a secret: tokens that were minted elsewhere are checked with it", () => {
  // Made once with Python's cryptography: HKDF(SHA256, 32, None, b"tally capability v1"), Ed25519PrivateKey.
  expect(capabilityKeyOf(SECRET).publicKey).toBe("85khl3hPqjKx5MGd435u9PFrq0B2RWB5NHxen8TXyeM");
});

it("does not make the secret its seed", () => {
  const { privateKey } = capabilityKeyOf(SECRET);
  const der = privateKey.export({ format: "der", type: "pkcs8" });
  expect(der.subarray(-32)).not.toEqual(SECRET);
  expect(der.subarray(-32)).toEqual(Buffer.from(hkdfSync("sha256", SECRET, "", "tally capability v1", 32)));
});
