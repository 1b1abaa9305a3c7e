import type { X509Certificate } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";
import { Grants } from "../core/grants.ts";
import type { CallHead, Instant } from "../transports/calls/authorise.ts";
import { MISSING } from "./access.ts";
import { API_KEY_START } from "./api-key.ts";
import { credentialIn, INVALID, shownBy } from "./credentials.ts";
import type { CurrentDirectory } from "./current-directory.ts";
import { KnownCredentials } from "./known-credentials.ts";
import type { LastUses } from "./last-uses.ts";
import { ANONYMOUS, ANONYMOUS_ID, ROOT_NAME } from "./names.ts";
import { type Recognised, recognised, recognisedStill } from "./recognised.ts";
import type { RootKey } from "./root-key.ts";
import { type CertificateVerifier, isVerified, type TokenVerifier, type Verified } from "./tokens.ts";
import { verifiedKey } from "./verified-key.ts";
import { ANYBODY } from "./without-credential.ts";

/** What callers are told apart by. */
export interface CallersOptions {
  /** Whether who brings no credential may be anybody. */
  readonly isOptional: boolean;
  readonly clock: Clock;
  readonly current: CurrentDirectory;
  readonly lastUses: LastUses;
  /** Where a call comes from. */
  readonly addressOf: (head: CallHead) => string;
  readonly tokens: TokenVerifier | undefined;
  readonly certificates: CertificateVerifier | undefined;
}

/** Finds who a call is from, by its head; what was found of a credential is kept as long as it holds. */
export class Callers {
  /** Undefined: there is none. */
  rootKey: RootKey | undefined;
  readonly #options: CallersOptions;
  readonly #current: CurrentDirectory;
  readonly #tokens: TokenVerifier | undefined;
  readonly #certificates: CertificateVerifier | undefined;
  readonly #known = new KnownCredentials<Recognised>(KNOWN_MAX);
  readonly #shown = new WeakMap<X509Certificate, Recognised>();

  constructor(options: CallersOptions, rootKey: RootKey | undefined) {
    this.#options = options;
    this.#current = options.current;
    this.#tokens = options.tokens;
    this.#certificates = options.certificates;
    this.rootKey = rootKey;
  }

  /** Who a call is from, as of just now; why that cannot be said, or is not enough. */
  judge(head: CallHead, now: Instant): Verified | Refusal | Promise<Verified | Refusal> {
    const { credential, digest } = shownBy(head);
    const isStale = this.#current.isStaleAt(now.monotonicMs);
    if (credential !== undefined) {
      if (isStale) return STALE;
      if (typeof credential === "object") return credential;
      return this.#bySecret(credential, digest, head, now.timeMs);
    }
    const certificate = this.#certificates && head.peer().certificate;
    if (certificate === undefined && this.#options.isOptional) return ANYBODY;
    if (isStale) return STALE;
    return certificate === undefined ? this.#anonymous() : this.#byCertificate(certificate, head, now.timeMs);
  }

  /** Whose key it is, for the operator; of one whose secret was wrong, which it is said to be. */
  saidBy({ code }: Refusal, head: CallHead): Pick<Verified, "callerName" | "keyId"> | undefined {
    const credential = credentialIn(head);
    const [, keyId] =
      typeof credential === "string" ? (/^tally_([0-9A-Za-z]{12})_/.exec(credential) ?? []) : [];
    const key = keyId === undefined ? undefined : this.#current.directory.keyById(keyId);
    if (key === undefined) return undefined;
    const owner = this.#current.directory.principalById(key.principalId)?.name ?? "";
    return { keyId, callerName: code === "CREDENTIAL_INVALID" ? "" : owner };
  }

  #anonymous(): Verified | Refusal {
    const principal = this.#current.directory.principalById(ANONYMOUS_ID);
    if (principal === undefined || principal.disabled || principal.grants.all.length === 0) return MISSING;
    return {
      caller: ANONYMOUS, // Under nobody are ids of before alone: what strangers count now must not answer for others.
      callerName: ANONYMOUS,
      credential: "none",
      grants: principal.grants,
      rate: principal.rate,
      depends: {},
    };
  }

  #bySecret(
    credential: string,
    digest: string,
    head: CallHead,
    nowMs: number,
  ): Verified | Refusal | Promise<Verified | Refusal> {
    const known = this.#known.get(digest);
    if (known !== undefined) {
      const still = recognisedStill(known, this.#current, nowMs);
      if (still !== undefined) {
        if (nowMs >= known.notedUntilMs && isVerified(still)) this.#noteUse(known, nowMs);
        return still;
      }
      this.#known.delete(digest);
    }
    if (this.rootKey?.is(credential)) return ROOT;
    const { revision } = this.#current;
    const keep = (said: Verified | Refusal) => {
      if (!isVerified(said)) return said;
      const found = recognised(said, this.#current);
      this.#noteUse(found, this.#options.clock.now()); // Signatures take their time.
      // What was looked at while the directory changed is looked at again by the next call.
      if (revision === this.#current.revision) this.#known.set(digest, found);
      return said;
    };
    if (credential.startsWith(API_KEY_START))
      return keep(verifiedKey(credential, this.#current.directory, nowMs));
    if (this.#tokens === undefined || !TOKEN.test(credential)) return INVALID;
    const said = this.#tokens.verify(credential, this.#options.addressOf(head));
    return said instanceof Promise ? said.then(keep) : keep(said);
  }

  #noteUse(found: Recognised, nowMs: number): void {
    found.notedUntilMs = this.#options.lastUses.note(found.verified.keyId, nowMs);
  }

  /** One connection shows one certificate: what was found of it is kept as long as that is. */
  #byCertificate(certificate: X509Certificate, head: CallHead, nowMs: number): Verified | Refusal {
    const known = this.#shown.get(certificate);
    const still = known && recognisedStill(known, this.#current, nowMs);
    if (still !== undefined) return still;
    const said = this.#certificates!.verify(certificate, head);
    if (isVerified(said)) this.#shown.set(certificate, recognised(said, this.#current));
    return said;
  }
}

/** Of how many credentials is kept what was found. */
const KNOWN_MAX = 20_000;

/** The holder of the root key. */
const ROOT: Verified = {
  caller: ROOT_NAME,
  callerName: ROOT_NAME,
  credential: "root",
  grants: Grants.ALL,
  depends: {},
};

const STALE: Refusal = { code: "AUTH_STALE" };

/** What tokens look like: what is in their parts, those who judge them look at. */
const TOKEN = /^[^.]+\.[^.]+\.[^.]+$/;
