import type { SecureContextOptions, Server } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../telemetry.ts";
import {
  CertificateError,
  type CertificateFacts,
  type CertificateFiles,
  contextOf,
  isSame,
  loadPair,
  type Pair,
} from "./pair.ts";

/**
 * The certificate that the server shows, read again when it was renewed: when asked to, and by itself when the files
 * are found to be others. New connections get the new one; those that there are keep theirs.
 */
export class Certificate {
  readonly #files: CertificateFiles;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #servers = new Set<Server>();
  readonly #timer: NodeJS.Timeout;
  #pair: Pair;
  /** How often in a row the files were found to be of no use. */
  #failures = 0;

  /**
   * @param options.checkEveryMs  how often to look whether the files are others, in milliseconds
   * @throws CertificateError
   */
  static async open(
    files: CertificateFiles,
    options: { clock: Clock; log: Log; checkEveryMs: number },
  ): Promise<Certificate> {
    return new Certificate(files, await loadPair(files), options);
  }

  private constructor(
    files: CertificateFiles,
    pair: Pair,
    { clock, log, checkEveryMs }: { clock: Clock; log: Log; checkEveryMs: number },
  ) {
    this.#files = files;
    this.#pair = pair;
    this.#clock = clock;
    this.#log = log;
    this.#warnIfInvalid();
    this.#timer = setInterval(() => void this.#look(), checkEveryMs).unref();
  }

  get facts(): CertificateFacts {
    return this.#pair.facts;
  }

  /** How a server that is to show the certificate is made. */
  get options(): SecureContextOptions {
    return contextOf(this.#pair);
  }

  /** Have a server that was made with the options show renewed certificates too. */
  renewOn(server: Server): void {
    this.#servers.add(server);
  }

  /** Read the files again. What cannot be used is logged, and the certificate stays as it is. */
  async renew(): Promise<void> {
    try {
      const pair = await loadPair(this.#files);
      if (isSame(pair, this.#pair)) this.#log("tls.unchanged", logged(pair.facts));
      else this.#use(pair);
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
      const pair = await loadPair(this.#files);
      this.#failures = 0;
      if (!isSame(pair, this.#pair)) this.#use(pair);
    } catch (error) {
      this.#failures++;
      if (this.#failures === 2) this.#refuse(error);
    }
  }

  #use(pair: Pair): void {
    this.#pair = pair;
    for (const server of this.#servers) server.setSecureContext(contextOf(pair));
    this.#log("tls.renewed", logged(pair.facts));
    this.#warnIfInvalid();
  }

  #refuse(error: unknown): void {
    if (!(error instanceof CertificateError)) throw error;
    this.#log("tls.renewal_failed", { detail: error.message, ...logged(this.#pair.facts) });
  }

  #warnIfInvalid(): void {
    const { validFrom, validTo } = this.#pair.facts;
    const now = this.#clock.now();
    if (now < validFrom.getTime() || now > validTo.getTime()) {
      this.#log("tls.not_valid_now", { valid_from: validFrom.toISOString(), ...logged(this.#pair.facts) });
    }
  }
}

function logged({ names, validTo }: CertificateFacts) {
  return { names, valid_to: validTo.toISOString() };
}
