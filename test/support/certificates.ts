/** Certificates made for a test by openssl, so that none is kept that would expire. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CertificateFiles } from "../../src/transports/tls/pair.ts";

/** Who signs certificates, with a folder of its own for all of them. */
export interface Authority extends Disposable {
  readonly folder: string;
  /** Its own certificate, which a client has to trust. */
  readonly caFile: string;
  readonly ca: string;
  /** A certificate for names such as "DNS:localhost,IP:127.0.0.1", and its key. */
  issue(names?: string): CertificateFiles;
}

export const LOCAL_NAMES = "DNS:localhost,IP:127.0.0.1";

export function authority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), "tally-tls-"));
  const at = (name: string) => join(folder, name);
  const [caFile, caKey] = [at("ca.pem"), at("ca.key")];
  const signed = ["-CA", caFile, "-CAkey", caKey, "-addext", "basicConstraints=critical,CA:FALSE"];
  request(caFile, caKey, ["-subj", "/CN=Tally's tests"]);
  let issued = 0;
  return {
    folder,
    caFile,
    ca: readFileSync(caFile, "utf8"),
    issue(names = LOCAL_NAMES) {
      const [certFile, keyFile] = [at(`${++issued}.pem`), at(`${issued}.key`)];
      request(certFile, keyFile, [...signed, "-subj", "/CN=tally", "-addext", `subjectAltName=${names}`]);
      return { certFile, keyFile };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function request(certFile: string, keyFile: string, more: readonly string[]): void {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const args = ["req", "-x509", ...curve, "-nodes", "-days", "2", "-out", certFile, "-keyout", keyFile];
  execFileSync("openssl", [...args, ...more], { stdio: ["ignore", "ignore", "pipe"] });
}
