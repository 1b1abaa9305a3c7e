import { X509Certificate } from "node:crypto";
import { CertificateError, parse, readPem } from "./pem.ts";

/** Whose certificates clients may show. */
export interface Authorities {
  /** Their own certificates, in PEM, one after the other. */
  readonly pem: Buffer;
  readonly certificates: readonly X509Certificate[];
}

/** Read the certificates of who signs those of clients. @throws CertificateError */
export async function loadAuthorities(file: string): Promise<Authorities> {
  const pem = await readPem("client authorities", file);
  const blocks = pem.toString("latin1").match(BLOCK) ?? [];
  const certificates = parse(
    () => blocks.map((block) => new X509Certificate(block)),
    `The TLS client authorities ${file} have a certificate that cannot be read; ${EXPECTED}`,
  );
  if (certificates.length === 0)
    throw new CertificateError(`The TLS client authorities ${file} are no certificates in PEM; ${EXPECTED}`);
  if (!certificates.every(({ ca }) => ca))
    throw new CertificateError(
      `The TLS client authorities ${file} have a certificate that may sign no others; ${EXPECTED}`,
    );
  return { pem, certificates };
}

const BLOCK =
  /^-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+^-----END (?:X509 |TRUSTED )?CERTIFICATE-----/gm;
const EXPECTED =
  "expected -----BEGIN CERTIFICATE-----, those of the authorities that sign clients' certificates, up to the root.";

/**
 * Whether a certificate leads to an authority that is its own, by those that are known here alone. What a client has shown
 * to lead there is not known once it has shaken hands.
 *
 * @param now  milliseconds since the Unix epoch
 */
export function leadsTo({ certificates }: Authorities, leaf: X509Certificate, now: number): boolean {
  let certificate = leaf;
  for (let steps = 0; steps <= certificates.length; steps++) {
    const issued = certificate;
    const issuer = certificates.find(
      (one) => isValid(one, now) && issued.checkIssued(one) && issued.verify(one.publicKey),
    );
    if (issuer === undefined) return false;
    if (issuer.checkIssued(issuer)) return true;
    certificate = issuer;
  }
  return false;
}

/** Whether all of some authorities are still there. */
export function haveAll(current: Authorities, before: Authorities, now: number): boolean {
  const there = new Set(current.certificates.map(({ fingerprint256 }) => fingerprint256));
  return before.certificates.every((one) => there.has(one.fingerprint256) && isValid(one, now));
}

/** Whether it is of now: milliseconds since the Unix epoch. */
export function isValid({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime();
}
