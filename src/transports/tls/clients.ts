import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Log } from "../../telemetry.ts";
import { type Authorities, haveAll, isValid, leadsTo } from "./authorities.ts";
import type { Certificate } from "./certificate.ts";

/** Whether clients are asked for a certificate, and have to have one. */
export type ClientAuth = "off" | "optional" | "required";

/**
 * The connections whose clients have shown a certificate. One that does not verify, or is not there and has to be, is
 * hung up on; and later, those whose certificate has expired or whose authority has gone.
 */
export class ClientConnections {
  readonly #certificate: Certificate;
  readonly #isRequired: boolean;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #unlisten: () => void;
  readonly #shown = new Map<TLSSocket, Shown>();

  /** @param certificate  which has authorities of clients */
  constructor(certificate: Certificate, { isRequired, log }: { isRequired: boolean; log: Log }) {
    this.#certificate = certificate;
    this.#isRequired = isRequired;
    this.#log = log;
    this.#unlisten = certificate.onAuthorities(() => this.sweep());
    this.#timer = setInterval(() => this.sweep(), SWEEP_EVERY_MS).unref();
  }

  /** Whether a client that has shaken hands may stay. */
  admits(socket: Socket): boolean {
    const why = this.#whyNot(socket);
    if (why !== undefined) this.#log("tls.client_refused", { why });
    return why === undefined;
  }

  /** End the connections whose certificates would not be taken any more. */
  sweep(): void {
    const authorities = this.#certificate.authorities;
    const now = this.#certificate.clock.now();
    for (const [socket, { certificate, under }] of this.#shown) {
      const isOfNow = isValid(certificate, now);
      if (isOfNow && (haveAll(authorities, under, now) || leadsTo(authorities, certificate, now))) continue;
      this.#log("tls.client_ended", { why: isOfNow ? "authority_gone" : "expired" });
      this.#shown.delete(socket);
      socket.destroy();
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unlisten();
  }

  #whyNot(socket: Socket): string | undefined {
    if (!(socket instanceof TLSSocket)) return "plaintext";
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return this.#isRequired ? "no_certificate" : undefined;
    // As well of a session that was resumed: its certificate may have expired meanwhile, and nobody has looked.
    if (!socket.authorized) return `${socket.authorizationError}`;
    if (!isValid(certificate, this.#certificate.clock.now())) return "CERT_HAS_EXPIRED";
    this.#shown.set(socket, { certificate, under: this.#certificate.authorities });
    socket.once("close", () => this.#shown.delete(socket));
    return undefined;
  }
}

/** What a client has shown, and the authorities that there were then. */
interface Shown {
  readonly certificate: X509Certificate;
  readonly under: Authorities;
}

/** So that a connection ends within a minute. */
const SWEEP_EVERY_MS = 30_000;
