import { randomInt } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../core/clock.ts";
import { TallyError } from "../core/errors.ts";
import type { Store } from "../service/store.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Log } from "../telemetry.ts";
import { type AsksNobody, openAsksNobody } from "./asks-nobody.ts";
import { CallerRates, type ServerRates } from "./caller-rates.ts";
import { openCertificates } from "./certificates.ts";
import { TrustedProxies } from "./client-address.ts";
import { FormerIds } from "./former-ids.ts";
import { type Guard, type GuardMode, openGuard } from "./guard.ts";
import type { RandomBytes } from "./random-id.ts";
import type { Rate } from "./rate.ts";
import { RootKey, RootKeyError } from "./root-key.ts";
import type { OidcIssuer } from "./tokens/oidc-settings.ts";

/** Why a store is not served with these settings: one sentence for the operator. */
export class GuardError extends Error {
  override readonly name = "GuardError";
  /** Whether it is the store that must be mended, and not the settings: what is to say who may call is damaged in it. */
  readonly isDamage: boolean;

  constructor(message: string, { isDamage = false, cause }: { isDamage?: boolean; cause?: unknown } = {}) {
    super(message, { cause });
    this.isDamage = isDamage;
  }
}

/** What an operator has set. */
export interface GuardSettings extends ReloadableSettings {
  readonly auth: "off" | GuardMode;
  readonly rootKeyFile: string | undefined;
  readonly oidc: readonly OidcIssuer[];
  /** For how much running time request ids are kept, in milliseconds. */
  readonly requestIdsKeepMs: number;
}

/** What of it can become another while the guard stands. */
export interface ReloadableSettings {
  readonly rateDefault: Rate | undefined;
  readonly rateAnonymous: Rate | undefined;
  readonly rateTokens: Rate | undefined;
  readonly trustedProxies: readonly string[];
}

/** Who guards a store. */
export interface Guarding {
  /** Undefined when nobody is asked who they are. */
  readonly guard: Guard | undefined;
  /** Go by other settings from now on; does nothing when nobody is asked who they are. */
  reload(settings: ReloadableSettings): void;
  /** See Guard.close. */
  close(): Promise<void>;
}

/**
 * What keeps a store from being guarded as the operator wants it, as far as that is known before the store is opened.
 *
 * @param isNew  whether there is no such store yet, so that nobody is kept in it
 * @returns      the root key, for its file may be a pipe, which can be read once; undefined where there is none
 * @throws GuardError  as openGuardFor would
 */
export async function judgeGuard(
  { auth, rootKeyFile }: Pick<GuardSettings, "auth" | "rootKeyFile">,
  shown: string,
  isNew: boolean,
): Promise<RootKey | undefined> {
  if (rootKeyFile === undefined) {
    if (auth === "required" && isNew) throw nobodyAdministrates(shown);
    return undefined;
  }
  return RootKey.read(rootKeyFile).catch((error: unknown) => {
    throw error instanceof RootKeyError ? new GuardError(error.message, { cause: error }) : error;
  });
}

/**
 * The guard of a store, as the operator wants it. When nobody is asked who they are, it is looked whether somebody is to be.
 *
 * @param shown  the store's URL as it may be shown
 * @throws GuardError  when nobody would be asked although there are principals; when nobody could administrate; when the root
 *                     key cannot be used, or it cannot be read who may call
 */
export async function openGuardFor(
  { catalogue, epoch, keyUses }: Pick<Store, "catalogue" | "epoch" | "keyUses">,
  settings: GuardSettings,
  shown: string,
  deps: {
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics?: Metrics;
    readonly randomBytes: RandomBytes;
    /** From judgeGuard, where that was asked. */
    readonly rootKey?: RootKey | undefined;
  },
): Promise<Guarding> {
  const { auth, rootKeyFile, oidc } = settings;
  if (catalogue === undefined) {
    if (auth === "off") return { guard: undefined, reload() {}, async close() {} };
    throw new GuardError(`auth is ${auth}, and the store ${shown} keeps no principals; set auth = off.`);
  }
  let hasUnreadable: boolean;
  try {
    if (auth === "off") {
      const asksNobody = assertNobodyIsKept(await openAsksNobody(catalogue, deps), shown);
      await FormerIds.comeAgain(catalogue);
      return { guard: undefined, reload() {}, close: async () => asksNobody.close() };
    }
    const { openTokens } = await import("./tokens/verifier.ts"); // With a library that who asks nobody need not load.
    const rates = new CallerRates(deps.clock, ratesOf(settings), randomInt(2 ** 32));
    const proxies = new TrustedProxies(settings.trustedProxies);
    const guard = await openGuard({
      ...{ mode: auth, catalogue, epoch, keyUses, rootKeyFile, ...deps },
      tokens: (now) => openTokens({ known: () => now.directory, seed: randomInt(2 ** 32), oidc, ...deps }),
      certificates: (now) => openCertificates(() => now.directory, deps.clock),
      formerIds: await formerIdsOf(catalogue, auth, settings, deps),
      rates,
      proxies,
    });
    if (auth === "optional" || guard.hasRootKey || guard.current.directory.hasAdmin)
      return { guard, reload: reloading(rates, proxies, settings), close: () => guard.close() };
    ({ hasUnreadable } = guard.current.directory);
    await guard.close();
  } catch (error) {
    if (error instanceof RootKeyError) throw new GuardError(error.message, { cause: error });
    if (!(error instanceof TallyError) || error.code !== "ROW_CORRUPT") throw error;
    const why = `Who may call the store ${shown} cannot be read, because ${error.message}.`;
    throw new GuardError(why, { isDamage: true, cause: error });
  }
  if (hasUnreadable)
    throw new GuardError(
      `auth is required, and nobody could administrate the store ${shown}: some of its principals are damaged or of a newer ` +
        "version, as the log says, and no other has admin. Restore the store from a backup, run the newer version, or give root-key-file.",
      { isDamage: true },
    );
  throw nobodyAdministrates(shown);
}

function nobodyAdministrates(shown: string): GuardError {
  const helps = /^memory:/i.test(shown)
    ? "Give root-key-file: what is in memory begins with no principals each time."
    : `Make an admin with \`tally auth init --store ${shown}\` (of SQLite while no server has it), or give root-key-file.`;
  return new GuardError(
    `auth is required, and nobody could administrate the store ${shown}: it has no principal with admin, and there is no root ` +
      `key. ${helps}`,
  );
}

function formerIdsOf(
  catalogue: Catalogue,
  mode: GuardMode,
  { requestIdsKeepMs: keepMs }: GuardSettings,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<FormerIds> {
  return FormerIds.open({
    mode,
    catalogue,
    clock,
    keepMs,
    onFailure: (err) => log("auth.unwritten", { err }),
  });
}

function ratesOf({ rateDefault, rateAnonymous, rateTokens }: ReloadableSettings): ServerRates {
  return { principal: rateDefault, anonymous: rateAnonymous, tokens: rateTokens };
}

/** Counts go on while the rates stay as they are: who reads other settings again is not to give everybody a burst. */
function reloading(
  rates: CallerRates,
  proxies: TrustedProxies,
  opened: ReloadableSettings,
): (settings: ReloadableSettings) => void {
  let inForce = ratesOf(opened);
  return (settings) => {
    const next = ratesOf(settings);
    if (!isDeepStrictEqual(inForce, next)) rates.become(next);
    inForce = next;
    proxies.become(settings.trustedProxies);
  };
}

/** A setting that was forgotten must not open what others guard. */
function assertNobodyIsKept(asksNobody: AsksNobody | undefined, shown: string): AsksNobody {
  if (asksNobody !== undefined) return asksNobody;
  throw new GuardError(
    `The store ${shown} has principals, and auth is off: everybody could do everything. Set auth = required, or optional.`,
  );
}
