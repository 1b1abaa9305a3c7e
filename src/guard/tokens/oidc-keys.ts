import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../telemetry.ts";
import { fetchKeys, IssuerError } from "./oidc-fetch.ts";

/** What keys are fetched with, and when. */
export interface IssuerKeysOptions {
  readonly alias: string;
  readonly issuer: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The keys of an issuer, fetched in the background and kept until it has others: it may be away for days, and its tokens
 * stay good. (jose's own set of remote keys fails each token once the issuer is away for ten minutes.)
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  readonly #timer: NodeJS.Timeout;
  #keys: { readonly find: JWTVerifyGetKey; readonly kids: ReadonlySet<unknown> } | undefined;
  #fetching: Promise<void> | undefined;
  #nextMs = Number.NEGATIVE_INFINITY;
  #unknownNextMs = Number.NEGATIVE_INFINITY;
  #isAway = false;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    this.#look();
  }

  /**
   * What finds the key of a token.
   *
   * @param kid  of the token's header, not checked. One that is not known may be a new one: they are fetched for it, at most
   *             once a minute
   * @returns    undefined when the issuer was not reached since the start
   */
  async finderFor(kid: unknown): Promise<JWTVerifyGetKey | undefined> {
    if (this.#keys === undefined)
      await this.#fetching; // The first may be on its way.
    else if (kid !== undefined && !this.#keys.kids.has(kid)) await this.#fetchForUnknown();
    return this.#keys?.find;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#options.clock.monotonic() >= this.#nextMs) void this.#fetch();
  }

  async #fetchForUnknown(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now >= this.#unknownNextMs) {
      this.#unknownNextMs = now + UNKNOWN_APART_MS;
      await this.#fetch();
    } else await this.#fetching;
  }

  #fetch(): Promise<void> {
    this.#fetching ??= this.#take().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  /** Never rejects. */
  async #take(): Promise<void> {
    const { alias, issuer, clock, log } = this.#options;
    try {
      const keys = await fetchKeys(issuer);
      const kids = new Set(keys.map(({ kid }) => kid));
      this.#keys = { find: createLocalJWKSet({ keys } as unknown as JSONWebKeySet), kids };
      this.#nextMs = clock.monotonic() + RENEW_EVERY_MS;
      if (this.#isAway) log("auth.issuer_back", { alias });
      this.#isAway = false;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#nextMs = clock.monotonic() + RETRY_MS;
      if (!this.#isAway) {
        const detail = error instanceof IssuerError ? error.message : "its keys cannot be used";
        log("auth.issuer_away", { alias, issuer, detail, has_keys: this.#keys !== undefined });
      }
      this.#isAway = true;
    }
  }
}

const LOOK_EVERY_MS = 5_000;
const RENEW_EVERY_MS = 600_000;
const RETRY_MS = 10_000;
const UNKNOWN_APART_MS = 60_000;
