import { isIP } from "node:net";
import {
  connect,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from "node:tls";

/**
 * Connect over TLS, for HTTP/2. A server whose certificate is from nobody who is trusted, or for another name than it
 * was called by, is hung up on.
 *
 * @param authority  "https://counters.example:8443"
 * @param ca         whose certificates to trust, in PEM; undefined: those whom the system trusts, and those of
 *                   NODE_EXTRA_CA_CERTS
 */
export function connectTls(authority: string, ca: string | undefined): TLSSocket {
  const { hostname, port } = new URL(authority);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return connect({
    host,
    port: Number(port || 443),
    ...(isIP(host) === 0 && { servername: host }),
    ALPNProtocols: ["h2"],
    secureContext: ca === undefined ? systemContext() : createSecureContext({ ca, minVersion: "TLSv1.2" }),
    rejectUnauthorized: true, // Whatever the environment says.
  });
}

/**
 * Not those that Node.js brings: an administrator adds and removes authorities for every program of a machine. Reading
 * them takes a tenth of a second, and so is done once.
 */
function systemContext(): SecureContext {
  system ??= createSecureContext({
    ca: [...getCACertificates("system"), ...getCACertificates("extra")],
    minVersion: "TLSv1.2",
  });
  return system;
}

let system: SecureContext | undefined;

/** Why nothing could be asked over a connection; undefined if that is not TLS's. */
export function problemOf(
  { authorizationError }: TLSSocket,
  error: (Error & { readonly code?: unknown; readonly reason?: unknown }) | undefined,
): { readonly message: string; readonly untrusted: boolean } | undefined {
  if (authorizationError) return { message: error?.message ?? `${authorizationError}`, untrusted: true };
  if (error?.code === "ERR_SSL_WRONG_VERSION_NUMBER" || error?.code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return { message: "it does not speak TLS", untrusted: false };
  }
  if (!`${error?.code}`.startsWith("ERR_SSL_")) return undefined;
  return { message: `TLS failed: ${error?.reason ?? error?.message}`, untrusted: false };
}
