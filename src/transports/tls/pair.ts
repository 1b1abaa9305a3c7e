import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { CertificateError, inPem, parse, readPem } from "./pem.ts";

export { CertificateError };

/** Where a certificate and its key are, in PEM. */
export interface CertificateFiles {
  /** The server's own certificate first, then those that lead from it to one that callers know. */
  readonly certFile: string;
  /** The private key of the first, without a passphrase. */
  readonly keyFile: string;
}

/** What a certificate says of itself. */
export interface CertificateFacts {
  /** As OpenSSL lists them: "DNS:counters.example, IP Address:10.0.0.7". */
  readonly names: string;
  /** When it begins and ceases to be valid. */
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** A certificate and its key, which belong together. */
export interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly facts: CertificateFacts;
}

/** Read both files, and see whether a server could use them. @throws CertificateError */
export async function loadPair({ certFile, keyFile }: CertificateFiles): Promise<Pair> {
  const cert = await readPem("certificate", certFile);
  const key = await readPem("key", keyFile);
  const first = parse(
    () => new X509Certificate(inPem(cert, "CERTIFICATE")),
    `The TLS certificate ${certFile} is no certificate in PEM; expected -----BEGIN CERTIFICATE-----, the server's own ` +
      "first.",
  );
  const privateKey = parse(
    () => createPrivateKey(inPem(key, "PRIVATE KEY")),
    key.includes("ENCRYPTED") // In a line of its own or in the first one, by the format.
      ? `The TLS key ${keyFile} has a passphrase; give one without, readable only by Tally's user.`
      : `The TLS key ${keyFile} is no private key in PEM; expected -----BEGIN PRIVATE KEY-----.`,
  );
  if (!first.checkPrivateKey(privateKey)) {
    throw new CertificateError(
      `The TLS key ${keyFile} does not belong to the certificate ${certFile}: it is the key of another; give the key ` +
        "of the first certificate in the file.",
    );
  }
  const { subjectAltName: names = "", validFromDate: validFrom, validToDate: validTo } = first;
  const pair = { cert, key, facts: { names, validFrom, validTo } };
  parse(
    () => createSecureContext(contextOf(pair)),
    (message) => `The TLS certificate ${certFile} cannot be used with its key ${keyFile}: ${message}.`,
  );
  return pair;
}

/** Whether nothing was renewed. */
export function isSame(a: Pair, b: Pair): boolean {
  return a.cert.equals(b.cert) && a.key.equals(b.key);
}

/** How TLS is spoken with it. */
export function contextOf({ cert, key }: Pair): SecureContextOptions {
  return { cert, key, minVersion: "TLSv1.2" }; // Said, because a flag of Node.js could have lowered it.
}
