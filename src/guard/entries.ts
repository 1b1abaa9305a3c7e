/** Principals, keys and bindings as the catalogue keeps them, each as a JSON text. */
import { GRANTS_MAX, Grants, grantFromText, grantToText } from "../core/grants.ts";
import type { Rate } from "./rate.ts";

/** Who asks. Kept under its name. */
export interface Principal {
  /** Made once, and never of another one; `''` is `anonymous`. Request ids are kept under it. */
  readonly id: string;
  /** 1 to 63 characters of a-z, 0-9, ".", "_" and "-", the first a letter or a digit. */
  readonly name: string;
  readonly description: string;
  readonly grants: Grants;
  /** How often it may call; undefined: as the server has it for everybody. */
  readonly rate: Rate | undefined;
  /** Whether all its calls are refused. */
  readonly disabled: boolean;
  /** In milliseconds since the Unix epoch, as all times are here. */
  readonly createTimeMs: number;
  /** Of the entry: another one after each change. */
  readonly version: number;
}

/** An API key, without the key. Kept under its id. */
export interface Key {
  readonly id: string;
  readonly principalId: string;
  readonly description: string;
  readonly createTimeMs: number;
  /** From when on it is refused; undefined: never. */
  readonly expireTimeMs: number | undefined;
  /** When it was revoked; undefined: it was not. */
  readonly revokeTimeMs: number | undefined;
  readonly sha256: Buffer;
  readonly publicKey: string;
  readonly version: number;
}

/** That a name from elsewhere stands for a principal. Kept under the subject. */
export interface Binding {
  /** See bindingKeyOf. */
  readonly subject: string;
  readonly principalId: string;
  readonly createTimeMs: number;
  readonly version: number;
}

/** What is bound: a name of a certificate; or somebody of an issuer. */
export type Subject =
  | { readonly certificate: string }
  | { readonly oidc: readonly [alias: string, subject: string] };

/** Under what the binding of a subject is kept. */
export function bindingKeyOf(of: Subject): string {
  return "certificate" in of ? `certificate:${of.certificate}` : `oidc:${of.oidc[0]}:${of.oidc[1]}`;
}

/** And back. @param key  "certificate:NAME", "oidc:ALIAS:SUBJECT" */
export function subjectOf(key: string): Subject {
  const [, certificate] = /^certificate:(.*)$/s.exec(key) ?? [];
  if (certificate !== undefined) return { certificate };
  const [, alias = "", subject = ""] = /^oidc:([^:]*):(.*)$/s.exec(key) ?? [];
  return { oidc: [alias, subject] };
}

/** What can be the name of a principal. */
export const PRINCIPAL_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** As the catalogue keeps it. */
export function principalToBody(principal: Omit<Principal, "version" | "name">): string {
  const { id, description, grants, rate, disabled, createTimeMs } = principal;
  return JSON.stringify({
    id,
    description,
    grants: grants.all.map(grantToText),
    rate,
    disabled,
    createTimeMs,
  });
}

/** The same of a key. */
export function keyToBody(key: Omit<Key, "version" | "id">): string {
  const { principalId, description, createTimeMs, expireTimeMs, revokeTimeMs, sha256, publicKey } = key;
  const kept = { sha256: sha256.toString("base64url"), publicKey };
  return JSON.stringify({ principalId, description, createTimeMs, expireTimeMs, revokeTimeMs, ...kept });
}

/** The same of a binding. */
export function bindingToBody({ principalId, createTimeMs }: Omit<Binding, "version" | "subject">): string {
  return JSON.stringify({ principalId, createTimeMs });
}

/** And back; undefined of what this version does not understand to its last field: it might narrow what is permitted. */
export function principalFromBody(name: string, body: string, version: number): Principal | undefined {
  return read(body, ["id", "description", "grants", "rate", "disabled", "createTimeMs"], (said) => ({
    id: text(said.id, /^([0-9A-Za-z]{12})?$/),
    name: text(name, PRINCIPAL_NAME),
    description: text(said.description),
    grants: grantsOf(said.grants),
    rate: said.rate === undefined ? undefined : rateOf(said.rate),
    disabled: flag(said.disabled),
    createTimeMs: whole(said.createTimeMs),
    version,
  }));
}

/** The same of a key. */
export function keyFromBody(id: string, body: string, version: number): Key | undefined {
  const fields = [
    ...["principalId", "description", "createTimeMs", "expireTimeMs", "revokeTimeMs"],
    ...["sha256", "publicKey"],
  ];
  return read(body, fields, (said) => ({
    id: text(id, /^[0-9A-Za-z]{12}$/),
    principalId: text(said.principalId, /^[0-9A-Za-z]{12}$/), // Nobody has a key of `anonymous`.
    description: text(said.description),
    createTimeMs: whole(said.createTimeMs),
    expireTimeMs: said.expireTimeMs === undefined ? undefined : whole(said.expireTimeMs),
    revokeTimeMs: said.revokeTimeMs === undefined ? undefined : whole(said.revokeTimeMs),
    sha256: Buffer.from(text(said.sha256, BYTES_32), "base64url"),
    publicKey: text(said.publicKey, BYTES_32),
    version,
  }));
}

/** The same of a binding. */
export function bindingFromBody(subject: string, body: string, version: number): Binding | undefined {
  return read(body, ["principalId", "createTimeMs"], (said) => ({
    subject: text(subject, /^(certificate:|oidc:[^:]+:)./),
    principalId: text(said.principalId, /^[0-9A-Za-z]{12}$/),
    createTimeMs: whole(said.createTimeMs),
    version,
  }));
}

type Said = Readonly<Record<string, unknown>>;

/** @param fields  all that there may be: what a newer version has added is not for this one to leave out */
function read<T>(body: string, fields: readonly string[], of: (said: Said) => T): T | undefined {
  try {
    const said = object(JSON.parse(body));
    return Object.keys(said).every((field) => fields.includes(field)) ? of(said) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function grantsOf(said: unknown): Grants {
  if (!Array.isArray(said) || said.length > GRANTS_MAX) throw unexpected();
  return new Grants(
    said.map((each) => {
      const grant = grantFromText(text(each));
      if (typeof grant === "string") throw unexpected();
      return grant;
    }),
  );
}

function rateOf(said: unknown): Rate {
  const rate = object(said);
  const known = ["calls", "callsBurst", "operations", "operationsBurst"];
  if (Object.keys(rate).some((field) => !known.includes(field))) throw unexpected();
  const optional = (value: unknown) => (value === undefined ? undefined : whole(value, 1));
  return {
    calls: whole(rate.calls, 1),
    callsBurst: optional(rate.callsBurst),
    operations: optional(rate.operations),
    operationsBurst: optional(rate.operationsBurst),
  };
}

function object(said: unknown): Said {
  if (typeof said !== "object" || said === null || Array.isArray(said)) throw unexpected();
  return said as Said;
}

function text(said: unknown, form = /^/): string {
  if (typeof said !== "string" || !form.test(said)) throw unexpected();
  return said;
}

function whole(said: unknown, min = 0): number {
  if (!Number.isSafeInteger(said) || (said as number) < min) throw unexpected();
  return said as number;
}

function flag(said: unknown): boolean {
  if (typeof said !== "boolean") throw unexpected();
  return said;
}

function unexpected(): SyntaxError {
  return new SyntaxError("expected an entry of this version, got another");
}

/** 32 bytes in base64url. */
const BYTES_32 = /^[A-Za-z0-9_-]{43}$/;
