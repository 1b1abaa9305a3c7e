import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { Grants } from "../../core/grants.ts";
import { bindingKeyOf } from "../entries.ts";
import type { Known } from "../known.ts";
import type { Verified } from "../tokens.ts";
import { hashOf, percentName } from "./names.ts";
import type { IssuerKeys } from "./oidc-keys.ts";
import type { OidcIssuer, OidcRule } from "./oidc-settings.ts";
import { invalid, isUnfit, type Unfit, unfitOf } from "./unfit.ts";

/**
 * Who an access token of an issuer stands for: the principal that its subject is bound to; otherwise somebody of that
 * subject's own, who may what the rules give for what the token says of them.
 *
 * @param header  of the token, not checked
 * @param known   the directory as it is now
 */
export async function verifyOidc(
  token: string,
  header: { readonly alg?: unknown; readonly kid?: unknown; readonly typ?: unknown },
  { settings, keys }: { readonly settings: OidcIssuer; readonly keys: IssuerKeys },
  known: () => Known,
  nowMs: number,
): Promise<Verified | Unfit> {
  // Before its keys are asked for: what cannot be good is not to have them fetched.
  if (!settings.algorithms.some((one) => one === header.alg))
    return invalid("it is signed by an algorithm that is not set for its issuer");
  if (settings.tokenType === undefined && !mayBeAccess(header.typ))
    return invalid("its typ is that of no access token, and no token-type is set for its issuer");
  const find = await keys.finderFor(header.kid);
  if (find === undefined)
    return { code: "AUTH_UNAVAILABLE", why: "its issuer was not reached since the start" };
  const signed = await signedClaims(token, find, settings, nowMs);
  if (isUnfit(signed)) return signed;

  const { sub, exp } = signed.payload;
  if (
    typeof sub !== "string" ||
    sub === "" ||
    !sub.isWellFormed() ||
    Buffer.byteLength(sub) > SUBJECT_BYTES_MAX
  )
    return invalid(`sub must be 1 to ${SUBJECT_BYTES_MAX} bytes`);
  const { alias, clockToleranceMs } = settings;
  const subject = bindingKeyOf({ oidc: [alias, sub] });
  const expireTimeMs = exp! * 1_000 + clockToleranceMs;
  if (expireTimeMs <= nowMs) return { code: "CREDENTIAL_EXPIRED", why: "it has expired" }; // jose knows no parts of seconds.
  const credential = "oidc";
  const bound = known().bindingOf(subject);
  if (bound === undefined) {
    return {
      // No principal's, for those have letters and digits alone.
      caller: `~${hashOf(`${alias}\0${sub}`)}`,
      callerName: `oidc:${alias}:${percentName(sub)}`,
      ...{ credential, expireTimeMs, grants: grantsBy(settings.rules, signed.payload) },
      depends: { subjects: [subject] },
    };
  }
  const { principal } = bound;
  if (principal === undefined || principal.disabled)
    return { code: "CREDENTIAL_REVOKED", why: "the principal that it is bound to is disabled or deleted" };
  return {
    caller: principal.id,
    callerName: principal.name,
    ...{ credential, expireTimeMs, grants: principal.grants, rate: principal.rate },
    depends: { principalId: principal.id, subjects: [subject] },
  };
}

/**
 * Whether a token may be for access by its type, which many leave out or say nothing by. One that names another use is for
 * that use alone: of a logout, an event, a login (RFC 8725, section 3.11).
 */
function mayBeAccess(typ: unknown): boolean {
  return typ === undefined || (typeof typ === "string" && /^(jwt|(application\/)?at\+jwt)$/i.test(typ));
}

/** As OpenID Connect has it, section 2. */
const SUBJECT_BYTES_MAX = 255;

/** The claims, once the signature is right, and the token is of now and for us. */
async function signedClaims(
  token: string,
  find: JWTVerifyGetKey,
  { issuer, audiences, algorithms, tokenType, clockToleranceMs }: OidcIssuer,
  nowMs: number,
): Promise<{ readonly payload: JWTPayload } | Unfit> {
  try {
    return await jwtVerify(token, find, {
      issuer,
      audience: [...audiences],
      algorithms: [...algorithms],
      ...(tokenType !== undefined && { typ: tokenType }),
      requiredClaims: ["exp", "aud", "iss", "sub"], // None of them is by default.
      clockTolerance: clockToleranceMs / 1_000,
      currentDate: new Date(nowMs),
    });
  } catch (error) {
    return unfitOf(error);
  }
}

function grantsBy(rules: readonly OidcRule[], claims: JWTPayload): Grants {
  return new Grants(
    rules.filter(({ claim, has }) => valuesOf(claim, claims).includes(has)).flatMap(({ grants }) => grants),
  );
}

/** The texts of a claim: itself, those of its list, or, of scopes, those between spaces. */
function valuesOf(path: readonly string[], claims: unknown): readonly unknown[] {
  let value = claims;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return [];
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (Array.isArray(value)) return value;
  const areScopes = path.length === 1 && /^scope$|^scp$/.test(path[0]!);
  return areScopes && typeof value === "string" ? value.split(" ") : [value];
}
