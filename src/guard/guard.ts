import type { Clock } from "../core/clock.ts";
import type { Epoch } from "../core/epoch.ts";
import type { Refusal } from "../core/errors.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import type { KeyUses } from "../service/store-key-uses.ts";
import { FewLines } from "../telemetry/few-lines.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Log } from "../telemetry.ts";
import type { Authorise, CallHead, Instant, Permit } from "../transports/calls/authorise.ts";
import { denialOf, Granted } from "./access.ts";
import { type Administration, administrationOf } from "./administration.ts";
import { Callers } from "./callers.ts";
import type { TrustedProxies } from "./client-address.ts";
import { CurrentDirectory } from "./current-directory.ts";
import { type Denial, Denials, deniedPlaces } from "./denials.ts";
import { loggedOf } from "./denials-logged.ts";
import type { Directory } from "./directory.ts";
import type { FormerIds } from "./former-ids.ts";
import { LastUses } from "./last-uses.ts";
import { headInCommon, permitInCommon, putInCommon } from "./permit-in-common.ts";
import type { RandomBytes } from "./random-id.ts";
import type { Rates } from "./rate.ts";
import { RootKey, RootKeyError } from "./root-key.ts";
import { StandingPermits } from "./standing-permits.ts";
import { type CertificateVerifier, isVerified, type TokenVerifier, type Verified } from "./tokens.ts";
import { tellUnreadable } from "./unreadable.ts";
import { ANYBODY, CallsWithoutCredential } from "./without-credential.ts";

/** What is asked of callers: a credential that is good, or none; or one that is good. */
export type GuardMode = "optional" | "required";

/** What a guard stands on. */
export interface GuardOptions {
  readonly mode: GuardMode;
  readonly catalogue: Catalogue;
  /** Of the store: what etags of principals end in. */
  readonly epoch?: Epoch;
  /** Where it is written down when keys were last used; undefined: nowhere. */
  readonly keyUses?: KeyUses | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Where calls without a credential are counted; undefined: nowhere. */
  readonly metrics?: Metrics | undefined;
  readonly randomBytes: RandomBytes;
  /** The file of the root key; undefined: there is none. */
  readonly rootKeyFile?: string | undefined;
  /** What was in it, where it was read already: a pipe can be read once. */
  readonly rootKey?: RootKey | undefined;
  /** Who judges tokens of others, and capability tokens; undefined: there are none. Asked once, with the directory. */
  readonly tokens?: ((now: DirectoryNow) => TokenVerifier) | undefined;
  /** The same of clients' certificates. */
  readonly certificates?: ((now: DirectoryNow) => CertificateVerifier) | undefined;
  /** Counts calls; undefined: everybody calls as often as they like. */
  readonly rates?: Rates | undefined;
  /** Under whom request ids of a caller may be kept from before; undefined: under nobody else. */
  readonly formerIds?: FormerIds | undefined;
  /** Who is believed when they say where a call comes from; undefined: nobody. */
  readonly proxies?: TrustedProxies | undefined;
  /** How often what others have changed is looked for, in milliseconds; undefined: every two seconds. */
  readonly lookEveryMs?: number | undefined;
  /** How often the log says that calls came without a credential, in milliseconds; undefined: once a minute. */
  readonly tellEveryMs?: number | undefined;
}

/** Where the directory is, as it is now. */
export interface DirectoryNow {
  readonly directory: Directory;
}

/** Who calls, and what they may do. */
export interface Guard {
  readonly authorise: Authorise;
  /** Principals, keys and bindings. */
  readonly current: CurrentDirectory;
  /** Whether there is a root key. */
  readonly hasRootKey: boolean;
  /** Calls without a credential that were let in while it is optional, since the start, by how they came. */
  readonly callsWithoutCredential: Readonly<Record<"grpc" | "http", number>>;
  /** For who may administrate. */
  readonly administration: Administration;
  /** Read the file of the root key again. One that cannot be used is logged, and the one before stays in use. */
  renewRootKey(): Promise<void>;
  /** Write down what is only in memory, as far as that can be, and end. Never rejects. */
  close(): Promise<void>;
}

/**
 * Open the guard of a store.
 *
 * @throws TallyError    when the directory cannot be read
 * @throws RootKeyError  when there is to be a root key, and its file cannot be used
 */
export async function openGuard(options: GuardOptions): Promise<Guard> {
  const { catalogue, clock, log, rootKeyFile, lookEveryMs = LOOK_EVERY_MS } = options;
  const rootKey =
    options.rootKey ?? (rootKeyFile === undefined ? undefined : await RootKey.read(rootKeyFile));
  const current = await CurrentDirectory.open(catalogue, clock, {
    everyMs: lookEveryMs,
    staleMs: STALE_MS,
    onFailure: (err) => log("auth.unread", { err }),
    onRecovery: () => log("auth.read_again"),
  });
  tellUnreadable(current, log);
  return new StandingGuard(options, current, rootKey);
}

/** How often what others have changed is looked for: it is in effect within five seconds. */
const LOOK_EVERY_MS = 2_000;
/** For how long a directory is used that cannot be read again. */
const STALE_MS = 10_000;
class StandingGuard implements Guard {
  readonly current: CurrentDirectory;
  readonly administration: Administration;
  readonly #bare: CallsWithoutCredential;
  readonly #options: GuardOptions;
  readonly #tokens: TokenVerifier | undefined;
  readonly #callers: Callers;
  /** Where denials are counted, by reason. */
  readonly #denied: ReadonlyMap<string, number>;
  readonly #forget: () => void;
  readonly #denials: Denials;
  readonly #denialsLogged: FewLines;
  readonly #standing: StandingPermits;
  readonly #lastUses: LastUses;

  constructor(options: GuardOptions, current: CurrentDirectory, rootKey: RootKey | undefined) {
    this.#options = options;
    this.current = current;
    this.#tokens = options.tokens?.(current);
    this.#denied = deniedPlaces(options.metrics);
    this.#forget = measureAge(options.metrics, current);
    this.#denials = new Denials(options.clock);
    this.#denialsLogged = new FewLines(options.clock, options.log, "call.denied");
    this.#bare = new CallsWithoutCredential(options.log, options.tellEveryMs, options.metrics);
    this.#standing = new StandingPermits((head) => this.#callers.judge(head, this.#now));
    current.onChange(() => this.#standing.review());
    this.#lastUses = new LastUses({
      ...{ keyUses: options.keyUses, log: options.log },
      directory: () => current.directory,
      beforeWrite: () => this.#standing.review(), // A call that goes on uses its key for as long as it does.
    });
    this.#callers = new Callers(
      {
        isOptional: options.mode === "optional",
        ...{ clock: options.clock, current, lastUses: this.#lastUses },
        addressOf: (head) => this.addressOf(head),
        tokens: this.#tokens,
        certificates: options.certificates?.(current),
      },
      rootKey,
    );
    this.administration = administrationOf(current, options, () => this.#denials.latest, this.#lastUses);
  }

  get hasRootKey(): boolean {
    return this.#callers.rootKey !== undefined;
  }

  get callsWithoutCredential() {
    return this.#bare.counts;
  }

  get rates(): Rates | undefined {
    return this.#options.rates;
  }

  addressOf(head: CallHead): string {
    const peer = head.peer();
    const { proxies } = this.#options;
    return proxies === undefined || proxies.areNone
      ? peer.address
      : proxies.addressOf(peer.address, head.headerOf("x-forwarded-for"));
  }

  denied(denial: Denial): void {
    const place = this.#denied.get(denial.reason);
    if (place !== undefined) this.#options.metrics!.numbers[place]!++;
    this.#denials.add(denial);
    this.#denialsLogged.add(() => loggedOf(denial));
  }

  readonly authorise: Authorise = (head, came = this.#now) => {
    const said = this.#callers.judge(head, came);
    return said instanceof Promise
      ? said.then((each) => this.#permit(each, head, this.#now))
      : this.#permit(said, head, came);
  };

  get #now(): Instant {
    const { clock } = this.#options;
    return { timeMs: clock.now(), monotonicMs: clock.monotonic() };
  }

  #permit(said: Verified | Refusal, head: CallHead, { monotonicMs }: Instant): Permit | Refusal {
    if (!isVerified(said)) return this.#refuse(said, head);
    const refusal = this.#unfit(said, head) ?? this.#tooOften(said, head, monotonicMs);
    if (refusal !== undefined) return this.#refuse(refusal, head, said);
    if (said === ANYBODY) this.#bare.add(head.overGrpc ? "grpc" : "http");
    const formerCaller = this.#options.formerIds?.of(said.caller, monotonicMs);
    return head.method.methodKind === "unary"
      ? this.#permitOnce(said, head, formerCaller)
      : this.#permitToGoOn(said, head, formerCaller);
  }

  #permitToGoOn(said: Verified, head: CallHead, formerCaller: string | undefined): Permit {
    const { caller, callerName, expireTimeMs } = said;
    const access = new Granted(said, head, this, true);
    const revoked = this.#standing.add(head, access);
    return { caller, callerName, formerCaller, access, expireTimeMs, revoked, lapsed: undefined };
  }

  #permitOnce(said: Verified, head: CallHead, formerCaller: string | undefined): Permit {
    const { revision } = this.current;
    const basis = { said, revision, formerCaller };
    const before = permitInCommon(head, basis);
    if (before !== undefined) return before;
    const { caller, callerName, expireTimeMs } = said;
    const common = headInCommon(head);
    const access = new Granted(said, common, this);
    const lapsed = (atOnce = false) => this.#lapse(said, common, access, revision, atOnce);
    const permit = { caller, callerName, formerCaller, access, expireTimeMs, revoked: undefined, lapsed };
    putInCommon(head, permit, basis);
    return permit;
  }

  /** Why a call may not be answered by now whose request took its time, and go on as what its caller is by now. */
  #lapse(
    said: Verified,
    head: CallHead,
    access: Granted,
    revision: number,
    atOnce: boolean,
  ): Refusal | undefined | Promise<Refusal | undefined> {
    if (revision === this.current.revision && (atOnce || this.#isInTime(said))) return undefined;
    const take = (again: Verified | Refusal) =>
      isVerified(again) ? access.become(again) : this.#refuse(again, head, said);
    const again = this.#callers.judge(head, this.#now);
    return again instanceof Promise ? again.then(take) : take(again);
  }

  #isInTime({ expireTimeMs }: Verified): boolean {
    return !this.current.isStale && (expireTimeMs === undefined || this.#options.clock.now() < expireTimeMs);
  }

  #tooOften(said: Verified, head: CallHead, monotonicMs: number): Refusal | undefined {
    const { rates } = this.#options;
    return rates?.areOf(said) ? rates.head(said, this.addressOf(head), monotonicMs) : undefined;
  }

  /** Why a token that is good may not be used for this call. */
  #unfit(said: Verified, head: CallHead): Refusal | undefined {
    const isToken = said.credential === "oidc" || said.credential === "capability";
    return isToken ? this.#tokens?.denial?.(said, head) : undefined;
  }

  #refuse(refusal: Refusal, head: CallHead, by?: Pick<Verified, "callerName" | "keyId">): Refusal {
    if (TOLD.test(refusal.code))
      this.denied(denialOf(refusal, head, this.addressOf(head), by ?? this.#callers.saidBy(refusal, head)));
    return refusal;
  }

  async renewRootKey(): Promise<void> {
    const { rootKeyFile, log } = this.#options;
    if (rootKeyFile === undefined) return;
    try {
      this.#callers.rootKey = await RootKey.read(rootKeyFile);
      log("auth.root_key_read");
      this.#standing.review();
    } catch (error) {
      if (!(error instanceof RootKeyError)) throw error;
      log("auth.root_key_unusable", { detail: error.message });
    }
  }

  async close(): Promise<void> {
    this.#tokens?.close?.();
    this.#bare.close();
    this.#forget();
    this.#denialsLogged.close();
    this.current.close();
    await this.#lastUses.close();
  }
}

/** @returns  what ends it */
function measureAge(metrics: Metrics | undefined, current: CurrentDirectory): () => void {
  if (metrics === undefined) return () => {};
  const place = metrics.know("catalogueAgeSeconds", {});
  return metrics.beforeRead(() => {
    metrics.numbers[place] = current.ageMs / 1_000;
  });
}

/** What operators are told of; what only says that something is away is in the log. */
const TOLD = /^(CREDENTIAL_|PERMISSION_|RATE_)/;
