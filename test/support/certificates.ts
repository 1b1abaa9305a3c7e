/** Certificates made for a test by openssl, so that none is kept that would expire. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { CertificateFiles } from "../../src/transports/tls/pair.ts";

/** Who signs certificates, with a folder of its own for all of them. */
export interface Authority extends Disposable {
  readonly folder: string;
  /** Its own certificate, which a client has to trust. */
  readonly caFile: string;
  readonly ca: string;
  /** A certificate for names such as "DNS:localhost,IP:127.0.0.1", and its key. */
  issue(names?: string): CertificateFiles;
  /** One who signs in its place: the certificates that it issues have its own behind them. */
  intermediate(): Authority;
}

export const LOCAL_NAMES = "DNS:localhost,IP:127.0.0.1";

export function authority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), "tally-tls-"));
  const caFile = join(folder, "ca.pem");
  request(caFile, join(folder, "ca.key"), ["-subj", `/CN=Tally's tests ${basename(folder)}`]);
  return signing(folder, "ca", "");
}

/** @param chain  what stands behind a certificate, in PEM */
function signing(folder: string, own: string, chain: string): Authority {
  const at = (name: string) => join(folder, name);
  const [caFile, caKey] = [at(`${own}.pem`), at(`${own}.key`)];
  const signed = ["-CA", caFile, "-CAkey", caKey];
  let issued = 0;
  const issue = (names: string, isCa: boolean) => {
    const name = `${own}.${++issued}`;
    const [certFile, keyFile] = [at(`${name}.pem`), at(`${name}.key`)];
    const extensions = [`basicConstraints=critical,CA:${isCa ? "TRUE" : "FALSE"}`, `subjectAltName=${names}`];
    const subject = ["-subj", isCa ? `/CN=tally ${name}` : "/CN=tally"]; // Who signs has a name of its own: chains go by it.
    request(certFile, keyFile, [...signed, ...subject, ...extensions.flatMap((one) => ["-addext", one])]);
    if (!isCa) appendFileSync(certFile, chain);
    return { name, certFile, keyFile };
  };
  return {
    folder,
    caFile,
    ca: readFileSync(caFile, "utf8"),
    issue(names = LOCAL_NAMES) {
      const { certFile, keyFile } = issue(names, false);
      return { certFile, keyFile };
    },
    intermediate() {
      const { name, certFile } = issue("DNS:intermediate.example", true);
      return signing(folder, name, readFileSync(certFile, "utf8") + chain);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function request(certFile: string, keyFile: string, more: readonly string[]): void {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const args = ["req", "-x509", ...curve, "-nodes", "-days", "2", "-out", certFile, "-keyout", keyFile];
  execFileSync("openssl", [...args, ...more], { stdio: ["ignore", "ignore", "pipe"] });
}
