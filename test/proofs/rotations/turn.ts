/** One round of a rotation, and tokens that expire one after another. */
import { setTimeout as pause } from "node:timers/promises";
import type { Caller } from "./caller.ts";
import type { Crowd } from "./crowd.ts";
import type { Credential, Ledger } from "./ledger.ts";
import type { Rotation } from "./rotating.ts";
import type { Site } from "./site.ts";

/** A rotation, and who calls with what it has made. */
export class Turn {
  /** How often it was rotated. */
  rotated = 0;
  /** How long it took until every instance knew a new credential: the longest, in milliseconds. */
  knownMs = 0;
  readonly #rotation: Rotation;
  readonly #site: Site;
  readonly #crowd: Crowd;
  readonly #ledger: Ledger;
  #now: InUse = NOTHING;
  #before: InUse = NOTHING;

  constructor(rotation: Rotation, site: Site, crowd: Crowd, ledger: Ledger) {
    this.#rotation = rotation;
    this.#site = site;
    this.#crowd = crowd;
    this.#ledger = ledger;
  }

  /** Make new credentials, and have callers change to them. Those with the ones before go on. */
  async renew(): Promise<void> {
    const credentials = await this.#rotation.renew();
    if (credentials === undefined) return;
    for (const credential of credentials) {
      const tookMs = await this.#site.knows(credential);
      if (this.#now !== NOTHING) this.knownMs = Math.max(this.knownMs, tookMs);
    }
    const callers = await Promise.all(credentials.map((credential) => this.#crowd.with(credential)));
    this.#before = this.#now;
    this.#now = { credentials, callers: callers.flat() };
  }

  /** End the credentials that were in use before. */
  async end(): Promise<void> {
    const { credentials } = this.#before;
    if (credentials.length === 0) return;
    for (const each of credentials) each.mayFailFromMs = Date.now();
    await this.#rotation.end();
    if (this.#rotation.isPromised) for (const each of credentials) each.endedAtMs = Date.now();
    this.rotated++;
  }

  /** Stop those who call with what has ended. They must have been refused when none was to be let in any more. */
  async stopBefore(): Promise<void> {
    const { credentials, callers } = this.#before;
    this.#before = NOTHING;
    await Promise.all(callers.map((caller) => caller.stop()));
    if (!this.#rotation.isPromised) return;
    for (const { who, triedLate } of callers)
      if (triedLate === 0) this.#ledger.faults.push(`${who}: did not try again after its end`);
    if (credentials.some(({ endedAtMs }) => endedAtMs === Number.POSITIVE_INFINITY))
      this.#ledger.faults.push("a credential was not ended");
  }

  async stop(): Promise<void> {
    await Promise.all(this.#now.callers.map((caller) => caller.stop()));
  }
}

interface InUse {
  readonly credentials: readonly Credential[];
  readonly callers: readonly Caller[];
}

const NOTHING: InUse = { credentials: [], callers: [] };

/**
 * Capability tokens that expire, each replaced before it does; their callers go on for a while.
 *
 * @param mint    a token that lives for so many seconds
 * @param signal  ends it
 * @returns       how many have expired
 */
export async function expireInTurn(
  mint: (livesS: number) => Promise<Credential>,
  crowd: Crowd,
  signal: AbortSignal,
): Promise<number> {
  const ending: Promise<void>[] = [];
  let expired = 0;
  while (!signal.aborted) {
    const token = await mint(TOKEN_LIVES_S);
    const callers = await crowd.with(token);
    const until = (timeMs: number) =>
      pause(Math.max(0, timeMs - Date.now()), undefined, { signal }).catch(() => {}); // It is over.
    const goOn = async () => {
      await until(token.endedAtMs + GO_ON_MS);
      await Promise.all(callers.map((caller) => caller.stop()));
      if (Date.now() > token.endedAtMs) expired++;
    };
    ending.push(goOn());
    await until(token.endedAtMs - OVERLAP_MS);
  }
  await Promise.all(ending);
  return expired;
}

const TOKEN_LIVES_S = 8;
/** For how long before the end of a token the next one is in use, and after it the old one. */
const OVERLAP_MS = 4_000;
const GO_ON_MS = 2_000;
