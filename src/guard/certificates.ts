import type { X509Certificate } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { certificateNames } from "./certificate-names.ts";
import { bindingKeyOf } from "./entries.ts";
import type { Known } from "./known.ts";
import type { CertificateVerifier } from "./tokens.ts";

/**
 * Judge certificates that clients have shown, which TLS has verified. The first of its names that is bound says which
 * principal it is; one of which none is bound is refused, and never taken for nobody in particular.
 *
 * @param known  the directory as it is now
 */
export function openCertificates(known: () => Known, clock: Clock): CertificateVerifier {
  return {
    verify(certificate) {
      const { expireTimeMs, isOfNow } = timesOf(certificate, clock.now());
      if (!isOfNow)
        return { code: expireTimeMs <= clock.now() ? "CREDENTIAL_EXPIRED" : "CREDENTIAL_INVALID" };
      const subjects = certificateNames(certificate.subjectAltName).map((name) =>
        bindingKeyOf({ certificate: name }),
      );
      for (const [i, subject] of subjects.entries()) {
        const bound = known().bindingOf(subject);
        if (bound === undefined) continue;
        const { principal } = bound;
        if (principal === undefined || principal.disabled) return { code: "CREDENTIAL_REVOKED" };
        return {
          caller: principal.id,
          callerName: principal.name,
          credential: "certificate",
          grants: principal.grants,
          expireTimeMs,
          rate: principal.rate,
          depends: { principalId: principal.id, subjects: subjects.slice(0, i + 1) },
        };
      }
      return { code: "CREDENTIAL_INVALID" };
    },
  };
}

function timesOf({ validFromDate, validToDate }: X509Certificate, now: number) {
  const expireTimeMs = validToDate.getTime();
  return { expireTimeMs, isOfNow: validFromDate.getTime() <= now && now < expireTimeMs };
}
