/** What is rotated: how each kind of credential is made anew, and how the one before it is ended. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { apiKeyFromText } from "../../../src/guard/api-key.ts";
import { mintCapability } from "../../../src/guard/tokens/mint.ts";
import type { Issuer } from "../../guard/tokens/issuer.ts";
import { type Authority, authority } from "../../support/certificates.ts";
import { type Credential, credentialOf } from "./ledger.ts";
import { FIRST_ROOT_KEY, GRANTS, type Site } from "./site.ts";

/** A kind of credential, of which one or two are in use at a time. */
export interface Rotation {
  /** Make new ones, beside those before; undefined: not this time. What holds of all instances is waited for by others. */
  renew(): Promise<Credential[] | undefined>;
  /** Whether those before are let in no more once they have ended. */
  readonly isPromised: boolean;
  /** End those before: resolves when that is answered. */
  end(): Promise<void>;
}

const PRINCIPAL = "shop";

/** An API key, and a capability token that was minted with it. */
export function rotatingKey(site: Site): Rotation {
  let [current, before] = ["", ""];
  return {
    isPromised: true,
    async renew() {
      before = current;
      const key = await newKey(site, PRINCIPAL);
      current = apiKeyFromText(key)!.id;
      const token = await minted(key, 3_600);
      return [credentialOf("API key", { secret: key }), credentialOf("token of that key", { secret: token })];
    },
    async end() {
      await site.administrate(`keys/${before}:revoke`, {});
    },
  };
}

/** The root key: two lines in its file, then the new one alone. */
export function rotatingRoot(site: Site): Rotation {
  let current = "";
  return {
    isPromised: true,
    async renew() {
      const before = current;
      current = before === "" ? FIRST_ROOT_KEY : randomBytes(32).toString("base64url");
      if (before !== "") {
        site.write("root", `${before}\n${current}\n`);
        site.hangUp();
      }
      return [credentialOf("root key", { secret: current })];
    },
    async end() {
      site.write("root", `${current}\n`);
      site.hangUp();
    },
  };
}

/** The authority of clients' certificates, and with it the server's own certificate. */
export function rotatingCertificates(site: Site, first: Authority): Rotation & Disposable {
  const authorities: Authority[] = [];
  return {
    isPromised: true,
    async renew() {
      const before = authorities.at(-1);
      const next = before === undefined ? first : authority();
      authorities.push(next);
      if (before !== undefined) {
        const { certFile, keyFile } = site.signing.issue();
        site.write("clients.pem", before.ca + next.ca);
        site.write("server.pem", readFileSync(certFile));
        site.write("server.key", readFileSync(keyFile));
        site.hangUp();
      }
      return [credentialOf("certificate", { certificate: next.issue(`URI:${CERTIFICATE}`) })];
    },
    async end() {
      site.write("clients.pem", authorities.at(-1)!.ca);
      site.hangUp();
    },
    [Symbol.dispose]() {
      for (const each of authorities) each[Symbol.dispose]();
    },
  };
}

const CERTIFICATE = "spiffe://example.org/rotations";

/**
 * The keys of an issuer: a new one beside those before, and these go when its tokens are in use. The next but one is published
 * before it is used, as issuers do; when there is none, a key that nobody knows is signed with, which instances fetch at most
 * once a minute.
 */
export async function rotatingIssuer(issuer: Issuer): Promise<Rotation> {
  /** What is published; the first is signed with. */
  let keys: { readonly kid: string; readonly jwk: object }[] = [];
  let made = 0;
  let fetchedMs = Number.NEGATIVE_INFINITY;
  const add = async () => {
    const kid = `key-${made++}`;
    await issuer.rotate(kid, ALGORITHM);
    keys.push({ kid, jwk: issuer.keys[0]! });
  };
  const publish = () => {
    issuer.keys = keys.map(({ jwk }) => jwk);
  };
  const tokenOf = async ({ kid }: { readonly kid: string }) => {
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    const claims = { iss: issuer.url, aud: "tally", sub: "ann", groups: ["counters"], exp };
    const secret = await issuer.token(claims, { kid, alg: ALGORITHM });
    return [credentialOf("token of an issuer", { secret })];
  };
  await add(); // Instances fetch it at their start.
  publish();
  let inUse = false;
  return {
    isPromised: false,
    async renew() {
      if (!inUse) {
        inUse = true;
        return tokenOf(keys[0]!);
      }
      if (keys.length === 1) {
        if (Date.now() - fetchedMs < FETCHED_APART_MS) return undefined;
        fetchedMs = Date.now();
        await add();
        await add();
        publish();
      }
      return tokenOf(keys[1]!);
    },
    async end() {
      keys = keys.slice(1);
      publish();
    },
  };
}

const ALGORITHM = "ES256";
/** What instances leave between two fetches for keys that they do not know, and a second. */
const FETCHED_APART_MS = 61_000;

/** The text of a new key of a principal. */
async function newKey(site: Site, principal: string): Promise<string> {
  const { key } = await site.administrate(`principals/${principal}/keys`, {});
  return key!;
}

async function minted(key: string, livesS: number): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + livesS;
  const claims = { iss: "tally", exp, allow: [GRANTS], rate: { per_second: 100_000 } };
  return mintCapability(apiKeyFromText(key)!, claims);
}

/** Make whom the credentials are of. @returns  what mints tokens that live for so many seconds, by a key that stays */
export async function introduce(site: Site): Promise<(livesS: number) => Promise<Credential>> {
  await site.administrate("principals", { name: OPERATOR, grants: ["all@"] });
  site.operator = await newKey(site, OPERATOR);
  for (const name of [PRINCIPAL, VISITED]) await site.administrate("principals", { name, grants: [GRANTS] });
  await site.administrate("bindings", { principal: PRINCIPAL, certificate: CERTIFICATE });
  const key = await newKey(site, VISITED);
  await site.knows(credentialOf("API key", { secret: key }));
  return async (livesS) => {
    const endsMs = (Math.floor(Date.now() / 1_000) + livesS) * 1_000;
    return credentialOf("token that expires", { secret: await minted(key, livesS) }, endsMs);
  };
}

/** Whose key mints tokens, and does nothing else: docs/tokens.md. */
const VISITED = "visited";
const OPERATOR = "operator";
