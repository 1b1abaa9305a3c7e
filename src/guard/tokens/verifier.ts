import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import { seldom } from "../../core/seldom.ts";
import type { Log } from "../../telemetry.ts";
import type { CallHead } from "../../transports/calls/authorise.ts";
import { JsonError, JsonReader } from "../../transports/json/parse.ts";
import type { Known } from "../known.ts";
import type { TokenVerifier, Verified } from "../tokens.ts";
import { verifyCapability } from "./capability.ts";
import { CAPABILITY_TYPE } from "./claims.ts";
import { FailuresByAddress } from "./failures.ts";
import { verifyOidc } from "./oidc.ts";
import { IssuerKeys } from "./oidc-keys.ts";
import type { OidcIssuer } from "./oidc-settings.ts";
import { invalid, isUnfit, type Unfit } from "./unfit.ts";

/** What tokens are judged by. */
export interface TokensOptions {
  /** The directory as it is now. */
  readonly known: () => Known;
  readonly clock: Clock;
  readonly log: Log;
  /** Not to be guessed from outside, 32 bits: by it addresses share what is counted of them. */
  readonly seed: number;
  /** Others whose tokens are taken, each with another `issuer`; undefined: nobody. */
  readonly oidc?: readonly OidcIssuer[] | undefined;
}

/** Judge tokens: those that were signed with API keys, and those of OIDC issuers. */
export function openTokens({ known, clock, log, seed, oidc = [] }: TokensOptions): TokenVerifier {
  const issuers: Issuers = new Map(
    oidc.map((settings) => [
      settings.issuer,
      { settings, keys: new IssuerKeys({ alias: settings.alias, issuer: settings.issuer, clock, log }) },
    ]),
  );
  const failures = new FailuresByAddress(seed);
  // Whoever sends many tokens that are none is not to fill the log.
  const logSeldom = seldom(clock, (why: string) => log("auth.token_refused", { why }));
  return {
    async verify(token, address) {
      const limited = failures.refusal(address, clock.monotonic());
      if (limited !== undefined) return limited;
      const said = await judge(token, known, issuers, clock.now());
      if (!isUnfit(said)) return said;
      if (said.isForged) failures.count(address, clock.monotonic());
      logSeldom(said.why);
      return { code: said.code };
    },
    denial: denialByOrigin,
    close() {
      for (const { keys } of issuers.values()) keys.close();
    },
  };
}

/** By their `iss`. */
type Issuers = ReadonlyMap<unknown, { readonly settings: OidcIssuer; readonly keys: IssuerKeys }>;

async function judge(
  token: string,
  known: () => Known,
  issuers: Issuers,
  nowMs: number,
): Promise<Verified | Unfit> {
  const header = unchecked(() => decodeProtectedHeader(token));
  if (header === undefined) return invalid("its header cannot be read");
  if (!isCanonical(token.slice(token.lastIndexOf(".") + 1)))
    return invalid("its signature is not as base64url is written");
  if (header.crit !== undefined) return invalid("its header has crit, and no extension is known here");
  if (header.b64 !== undefined || header.zip !== undefined)
    return invalid("its header has b64 or zip, and claims are read in one way here");
  const [headerPart = "", claimsPart = ""] = token.split(".");
  if (!isUnambiguous(headerPart)) return invalid("its header has a name twice");
  if (isType(header.typ, CAPABILITY_TYPE)) {
    // Claims of issuers may have one, of which the last counts: the other way that RFC 7519 permits, section 4.
    if (!isUnambiguous(claimsPart)) return invalid("its claims are no JSON, or have a name twice");
    return verifyCapability(token, header.kid, known, nowMs);
  }
  const claims = unchecked(() => decodeJwt(token));
  if (claims === undefined) return invalid("its claims cannot be read");
  const issuer = issuers.get(claims.iss);
  if (issuer === undefined) return invalid("its issuer is none of those that are known here");
  return verifyOidc(token, header, issuer, known, nowMs);
}

/** Otherwise a token could be written in sixteen ways, and be used as often as sixteen. */
function isCanonical(base64url: string): boolean {
  return Buffer.from(base64url, "base64url").toString("base64url") === base64url;
}

/** Whether part of a token is JSON that everybody reads alike: not with the same name twice in an object. */
function isUnambiguous(base64url: string): boolean {
  try {
    new JsonReader(Buffer.from(base64url, "base64url")).check();
    return true;
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}

/** What a token says of itself, before anything of it is believed; undefined: it cannot be read. */
function unchecked<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined; // Whatever jose throws, it is of the token.
  }
}

/** As a media type is compared, whose "application/" may be left out (RFC 7515, section 4.1.9). */
function isType(typ: unknown, type: string): boolean {
  return typeof typ === "string" && typ.toLowerCase().replace(/^application\//, "") === type;
}

/** A page of another origin than the token is for; who sends no Origin is no page. */
function denialByOrigin({ origins }: Verified, { headerOf }: CallHead): Refusal | undefined {
  const origin = origins && headerOf("origin");
  if (origins === undefined || origin === undefined || origins.includes(origin)) return undefined;
  return { code: "PERMISSION_DENIED", expected: "its token is not for pages of this origin" };
}
