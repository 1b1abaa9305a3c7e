import type { SecureContextOptions, Server } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Log } from "../../telemetry.ts";
import { type Authorities, loadAuthorities } from "./authorities.ts";
import {
  CertificateError,
  type CertificateFacts,
  type CertificateFiles,
  contextOf,
  isSame,
  loadPair,
  type Pair,
} from "./pair.ts";

/** Where all of it is that TLS is spoken with. */
export interface TlsFiles extends CertificateFiles {
  /** Certificates of who signs those of clients, in PEM; undefined: clients are asked for none. */
  readonly clientCaFile?: string | undefined;
}

/**
 * The certificate that the server shows, and those that clients' ones are held against, read again when it was renewed: when asked to, and by itself when the files
 * are found to be others. New connections get the new ones; those that there are keep the server's.
 */
export class Certificate {
  readonly #files: TlsFiles;
  /** By which is judged whether one is valid now. */
  readonly clock: Clock;
  readonly #log: Log;
  readonly #servers = new Set<Server>();
  readonly #timer: NodeJS.Timeout;
  readonly #listeners = new Set<() => void>();
  #pair: Pair;
  #authorities: Authorities;
  /** How often in a row the files were found to be of no use. */
  #failures = 0;

  /**
   * @param options.checkEveryMs  how often to look whether the files are others, in milliseconds
   * @throws CertificateError
   */
  static async open(
    files: TlsFiles,
    options: { clock: Clock; log: Log; checkEveryMs: number },
  ): Promise<Certificate> {
    return new Certificate(files, await load(files), options);
  }

  private constructor(
    files: TlsFiles,
    { pair, authorities }: Loaded,
    { clock, log, checkEveryMs }: { clock: Clock; log: Log; checkEveryMs: number },
  ) {
    this.#files = files;
    this.#pair = pair;
    this.#authorities = authorities;
    this.clock = clock;
    this.#log = log;
    this.#warnIfInvalid();
    this.#timer = setInterval(() => void this.#look(), checkEveryMs).unref();
  }

  get facts(): CertificateFacts {
    return this.#pair.facts;
  }

  /** Whose certificates clients may show; those of nobody when no file of them was given. */
  get authorities(): Authorities {
    return this.#authorities;
  }

  /** How a server that is to show the certificate is made. */
  get options(): SecureContextOptions {
    const { pem, certificates } = this.#authorities;
    return { ...contextOf(this.#pair), ...(certificates.length > 0 && { ca: pem }) };
  }

  /** Have somebody told when the authorities of clients are others. @returns  ends it */
  onAuthorities(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Have it told when it ends. @returns  what ends that */
  measure(metrics: Metrics): () => void {
    const place = metrics.know("certificateEnds", {});
    return metrics.beforeRead(() => {
      metrics.numbers[place] = this.facts.validTo.getTime() / 1_000;
    });
  }

  /** Have a server that was made with the options show renewed certificates too. */
  renewOn(server: Server): void {
    this.#servers.add(server);
  }

  /** Read the files again. What cannot be used is logged, and the certificate stays as it is. */
  async renew(): Promise<void> {
    try {
      const isOther = this.#use(await load(this.#files));
      if (!isOther) this.#log("tls.unchanged", logged(this.#pair.facts));
    } catch (error) {
      this.#refuse(error);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Between the writing of one file and of the other they do not fit, so that only a second failure counts. */
  async #look(): Promise<void> {
    try {
      const loaded = await load(this.#files);
      this.#failures = 0;
      this.#use(loaded);
    } catch (error) {
      this.#failures++;
      if (this.#failures === 2) this.#refuse(error);
    }
  }

  /** @returns  whether anything of it is another */
  #use({ pair, authorities }: Loaded): boolean {
    const isOtherPair = !isSame(pair, this.#pair);
    const areOthers = !authorities.pem.equals(this.#authorities.pem);
    if (!isOtherPair && !areOthers) return false;
    this.#pair = pair;
    this.#authorities = authorities;
    // With new keys of session tickets too: who was let in by an authority that is gone has to show a certificate again.
    for (const server of this.#servers) server.setSecureContext(this.options);
    if (areOthers) {
      const subjects = authorities.certificates.map(({ subject }) => subject.replaceAll("\n", ", "));
      this.#log("tls.authorities_renewed", { authorities: subjects });
      for (const listener of this.#listeners) listener();
    }
    if (isOtherPair) {
      this.#log("tls.renewed", logged(pair.facts));
      this.#warnIfInvalid();
    }
    return true;
  }

  #refuse(error: unknown): void {
    if (!(error instanceof CertificateError)) throw error;
    this.#log("tls.renewal_failed", { detail: error.message, ...logged(this.#pair.facts) });
  }

  #warnIfInvalid(): void {
    const { validFrom, validTo } = this.#pair.facts;
    const now = this.clock.now();
    if (now < validFrom.getTime() || now > validTo.getTime()) {
      this.#log("tls.not_valid_now", { valid_from: validFrom.toISOString(), ...logged(this.#pair.facts) });
    }
  }
}

/** What the files have. */
interface Loaded {
  readonly pair: Pair;
  readonly authorities: Authorities;
}

/** @throws CertificateError */
async function load(files: TlsFiles): Promise<Loaded> {
  const pair = await loadPair(files);
  const { clientCaFile } = files;
  return { pair, authorities: clientCaFile === undefined ? NOBODY : await loadAuthorities(clientCaFile) };
}

const NOBODY: Authorities = { pem: Buffer.alloc(0), certificates: [] };

function logged({ names, validTo }: CertificateFacts) {
  return { names, valid_to: validTo.toISOString() };
}
