import { type KeyObject, randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import { type Grant, Grants, grantFromText } from "../../../src/core/grants.ts";
import { capabilityKeyOf } from "../../../src/guard/capability-key.ts";
import type { Known, KnownKey, KnownPrincipal } from "../../../src/guard/known.ts";
import type { CallHead } from "../../../src/transports/calls/authorise.ts";

/** A directory of a principal `shop` with an API key, that a test changes. */
export class HandKnown implements Known {
  readonly secret = randomBytes(32);
  readonly keys = new Map<string, KnownKey>();
  readonly principals = new Map<string, KnownPrincipal>();
  readonly bindings = new Map<string, string>();

  constructor(...grants: string[]) {
    const publicKey = capabilityKeyOf(this.secret).publicKey;
    this.keys.set(KEY_ID, { principalId: "shop00000001", publicKey });
    this.putPrincipal({ grants: grantsOf(...(grants.length === 0 ? ["all@"] : grants)) });
  }

  keyById(id: string): KnownKey | undefined {
    return this.keys.get(id);
  }

  principalById(id: string): KnownPrincipal | undefined {
    return this.principals.get(id);
  }

  bindingOf(subject: string): { principal: KnownPrincipal | undefined } | undefined {
    const id = this.bindings.get(subject);
    return id === undefined ? undefined : { principal: this.principals.get(id) };
  }

  /** Change the key. */
  putKey(more: Partial<KnownKey>): void {
    this.keys.set(KEY_ID, { ...this.keys.get(KEY_ID)!, ...more });
  }

  /** Change the principal. */
  putPrincipal(more: Partial<KnownPrincipal>): void {
    const before = this.principals.get("shop00000001");
    const shop = { id: "shop00000001", name: "shop", grants: Grants.NONE, disabled: false };
    this.principals.set("shop00000001", { ...shop, ...before, ...more });
  }
}

/** The id of the API key. */
export const KEY_ID = "k00000000001";

export function grantsOf(...texts: string[]): Grants {
  return new Grants(texts.map((text) => grantFromText(text) as Grant));
}

/** The head of a call from an address. */
export function headFrom(address = "192.0.2.1", headers: Readonly<Record<string, string>> = {}): CallHead {
  return {
    method: undefined as never, // Not asked for.
    headerOf: (name) => headers[name],
    countOf: (name) => (headers[name] === undefined ? 0 : 1),
    overGrpc: false,
    peer: () => ({ address, certificate: undefined }),
  };
}

/** A token with any header and claims. */
export async function sign(
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  key: KeyObject | Uint8Array,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(header as { alg: string }).sign(key);
}
