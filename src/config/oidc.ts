import { z } from "zod";
import { type Grant, grantFromText } from "../core/grants.ts";
import { parseDuration } from "./quantity.ts";

/** What the tables [[oidc]] of the configuration file say: see the guard's OidcIssuer. */
export type OidcIssuers = readonly z.output<typeof issuer>[];

const grants = z
  .array(z.string())
  .min(1)
  .max(64)
  .transform((texts, context): Grant[] =>
    texts.flatMap((text) => {
      const grant = grantFromText(text);
      if (typeof grant !== "string") return grant;
      context.addIssue({ code: "custom", message: `"${text}" ${grant}` });
      return [];
    }),
  );

const name = z.string().min(1).max(200);

const rule = z.strictObject({
  claim: z.union([name.transform((one) => [one]), z.array(name).min(1).max(8)]),
  has: name,
  grants,
});

const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined && ms <= 600_000) return ms;
  context.addIssue({ code: "custom", message: "expected a duration from 0s to 10m" });
  return z.NEVER;
});

/** Each by a pair of keys: with HS256 whoever may check a token could make one. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

const issuer = z
  .strictObject({
    alias: z.string().regex(/^[a-z0-9-]{1,32}$/, "expected 1 to 32 characters of a-z, 0-9 and -"),
    issuer: z
      .string()
      .refine(isIssuer, "expected a URL with https, without ? and #; with http on this machine alone"),
    audience: z.union([name.transform((one) => [one]), z.array(name).min(1).max(16)]),
    algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(["RS256", "ES256", "EdDSA", "PS256"]),
    "token-type": name.optional(),
    "clock-tolerance": duration.default(60_000),
    grant: z.array(rule).max(64).default([]),
  })
  .transform(
    ({ alias, issuer, audience, algorithms, "token-type": tokenType, "clock-tolerance": ms, grant }) => ({
      ...{ alias, issuer, audiences: audience, algorithms, tokenType },
      ...{ clockToleranceMs: ms, rules: grant },
    }),
  );

const issuers = z
  .array(issuer)
  .max(16)
  .superRefine((all, context) => {
    for (const field of ["alias", "issuer"] as const) {
      const twice = all.find((one, i) => all.findIndex((other) => other[field] === one[field]) < i);
      if (twice !== undefined)
        context.addIssue({ code: "custom", message: `two have the ${field} "${twice[field]}"` });
    }
  });

/**
 * The issuers that a file names.
 *
 * @param tables  what stands under `oidc`; undefined: nothing does
 * @returns       them; or what is wrong, as a sentence without its end
 */
export function oidcIssuersFrom(tables: unknown): OidcIssuers | string {
  const parsed = issuers.safeParse(tables ?? []);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
  const [at, ...fields] = path;
  const where =
    at === undefined
      ? "oidc"
      : `oidc (table ${Number(at) + 1})${fields.map((field) => ` ${String(field)}`).join("")}`;
  return `${where}: ${message}`;
}

function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || /[?#]/.test(text) || url.username !== "" || url.password !== "") return false;
  const isLocal = /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && isLocal);
}
