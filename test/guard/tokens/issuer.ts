/** An issuer of OIDC on this machine, with keys that a test rotates. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT } from "jose";

/** Asked for by who waits until others were answered; not told of. */
export const SILENT = "/silent";

/** The key pairs of all issuers but a stranger's are the same: those of RSA take a second to make. */
const PAIRS = new Map<string, Promise<GenerateKeyPairResult>>();

function madeOnce(kid: string, alg: string): Promise<GenerateKeyPairResult> {
  const pair = PAIRS.get(`${kid} ${alg}`) ?? generateKeyPair(alg, { extractable: true });
  PAIRS.set(`${kid} ${alg}`, pair);
  return pair;
}

/** What it answers at a path, in place of what it would. */
type Answer = (response: ServerResponse) => void;

export class Issuer implements AsyncDisposable {
  readonly url: string;
  /** What was asked for, in order. */
  readonly asked: string[] = [];
  /** In place of its own answers, by path. */
  readonly instead = new Map<string, Answer>();
  /** Its public keys. */
  keys: object[] = [];
  #server: ReturnType<typeof createServer>;
  #pairs = new Map<string, GenerateKeyPairResult>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param kid  of its first key */
  static async open(kid = "k1"): Promise<Issuer> {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const issuer = new Issuer(server);
    server.on("request", ({ url = "" }, response) => issuer.#answer(url, response));
    await issuer.rotate(kid);
    return issuer;
  }

  /** Sign with a new key from now on, the only one that is published. */
  async rotate(kid: string, alg = "RS256"): Promise<void> {
    const pair = await madeOnce(kid, alg);
    this.#pairs.set(kid, pair);
    this.keys = [{ ...(await exportJWK(pair.publicKey)), kid, use: "sig" }];
  }

  pairOf(kid: string): GenerateKeyPairResult {
    return this.#pairs.get(kid)!;
  }

  /** A token as it would issue it, but for what is said. */
  async token(
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>> = {},
    key?: Parameters<SignJWT["sign"]>[0],
  ): Promise<string> {
    const kid = `${header.kid ?? "k1"}`;
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", kid, ...header })
      .sign(key ?? this.pairOf(kid).privateKey);
  }

  #answer(url: string, response: ServerResponse): void {
    if (url !== SILENT) this.asked.push(url);
    const instead = this.instead.get(url);
    if (instead !== undefined) instead(response);
    else if (url === "/.well-known/openid-configuration")
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }));
    else if (url === "/keys") response.end(JSON.stringify({ keys: this.keys }));
    else response.writeHead(404).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
