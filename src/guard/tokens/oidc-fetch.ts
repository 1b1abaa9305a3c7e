/** What an issuer publishes, read with bounds: it is asked by us, and may be anybody by now. */

/** What an issuer says could not be read: a clause for the operator. */
export class IssuerError extends Error {
  override readonly name = "IssuerError";
}

/**
 * The keys that an issuer signs with, by way of its discovery document.
 *
 * @see OpenID Connect Discovery 1.0, section 4
 * @returns  its public keys, one at least
 * @throws IssuerError
 */
export async function fetchKeys(issuer: string): Promise<Record<string, unknown>[]> {
  const { issuer: named, jwks_uri: keysUrl } = await fetchJson(
    `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
  );
  if (named !== issuer) throw new IssuerError("its discovery document is of another issuer");
  if (typeof keysUrl !== "string" || !isSafeUrl(keysUrl, issuer))
    throw new IssuerError("its discovery document has no jwks_uri, or one without https");
  const { keys } = await fetchJson(keysUrl);
  const usable = Array.isArray(keys) ? keys.filter(isPublicKey) : [];
  if (usable.length === 0) throw new IssuerError("it has no public keys");
  if (usable.length > KEYS_MAX) throw new IssuerError(`it has more than ${KEYS_MAX} keys`);
  return usable;
}

const KEYS_MAX = 100;

/** Whether what is fetched from there is from whom it says: over TLS, or from where the issuer itself is set to be. */
function isSafeUrl(text: string, issuer: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "https:" || (url !== null && url.origin === URL.parse(issuer)?.origin);
}

/** Not a secret that both sides have, nor one that should not be there. */
function isPublicKey(key: unknown): key is Record<string, unknown> {
  return (
    typeof key === "object" &&
    key !== null &&
    "kty" in key &&
    /^(RSA|EC|OKP)$/.test(`${key.kty}`) &&
    !("d" in key)
  );
}

async function fetchJson(url: string): Promise<Record<string, unknown>> {
  try {
    const response = await fetch(url, {
      redirect: "error", // To where, nobody has said.
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { accept: "application/json" },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new IssuerError(`${url} answers ${response.status}`);
    }
    const said: unknown = JSON.parse(await bounded(response, url));
    if (typeof said === "object" && said !== null) return said as Record<string, unknown>;
    throw new IssuerError(`${url} is no JSON object`);
  } catch (error) {
    if (error instanceof IssuerError) throw error;
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? cause.message : message;
    throw new IssuerError(`${url} cannot be read: ${why}`, { cause: error });
  }
}

const TIMEOUT_MS = 5_000;
const BYTES_MAX = 256 * 1024;

async function bounded({ body }: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > BYTES_MAX) throw new IssuerError(`${url} has more than ${BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
