import type { CertificateFiles } from "../../../src/transports/tls/pair.ts";

/** What a caller shows, and for how long it is good: in milliseconds since the Unix epoch, of this machine's clock. */
export interface Credential {
  /** "API key": what it is told of as. */
  readonly kind: string;
  /** What goes into `authorization`, after "Bearer ". */
  readonly secret?: string | undefined;
  /** What is shown in the handshake. */
  readonly certificate?: CertificateFiles | undefined;
  /** From when on it may be refused: when its end was asked for. */
  mayFailFromMs: number;
  /** From when on it is to be refused, within LATE_MAX_MS: when its end was told to be. Infinity: nobody promises an end. */
  endedAtMs: number;
}

/** How long a credential that has ended may still let a call in, in milliseconds: docs/security.md. */
export const LATE_MAX_MS = 5_000;

/** What is known of all credentials of a kind. */
export interface Told {
  answered: number;
  /** Refused after their end. */
  refused: number;
  /** Of those whose end is promised: how long after it a call was begun that was let in, in milliseconds. */
  latestMs: number;
}

export function credentialOf(
  kind: string,
  shows: Pick<Credential, "secret" | "certificate">,
  endedAtMs = Number.POSITIVE_INFINITY,
): Credential {
  return { kind, ...shows, mayFailFromMs: endedAtMs, endedAtMs };
}

/** Holds every call against what its credential was when it began and ended. */
export class Ledger {
  readonly kinds = new Map<string, Told>();
  readonly faults: string[] = [];

  answered({ kind, endedAtMs }: Credential, who: string, beganMs: number): void {
    const told = this.#told(kind);
    told.answered++;
    const lateMs = beganMs - endedAtMs;
    if (lateMs <= told.latestMs) return;
    told.latestMs = lateMs;
    if (lateMs > LATE_MAX_MS) this.faults.push(`${who}: let in ${lateMs} ms after the end of its credential`);
  }

  failed(credential: Credential, who: string, why: string): void {
    const told = this.#told(credential.kind);
    if (Date.now() < credential.mayFailFromMs)
      this.faults.push(`${who}: failed with a good credential: ${why}`);
    else told.refused++;
  }

  #told(kind: string): Told {
    let told = this.kinds.get(kind);
    if (told === undefined) {
      told = { answered: 0, refused: 0, latestMs: 0 };
      this.kinds.set(kind, told);
    }
    return told;
  }
}
