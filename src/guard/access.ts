import type { Refusal } from "../core/errors.ts";
import type { Target } from "../core/grants.ts";
import { Permission, type Permissions, permissionsToText } from "../core/permissions.ts";
import type { Prefixes } from "../core/prefixes.ts";
import { traceIdOfCall } from "../telemetry/call-parts.ts";
import type { Access, CallHead, Identity } from "../transports/calls/authorise.ts";
import { INVALID } from "./credentials.ts";
import type { Denial } from "./denials.ts";
import type { Rates } from "./rate.ts";
import type { Verified } from "./tokens.ts";

/** What the permit of a call needs of its guard. */
export interface Granting {
  readonly rates: Rates | undefined;
  /** Where a call comes from, whoever has handed it on. */
  addressOf(head: CallHead): string;
  /** Told of everything that is refused. */
  denied(denial: Denial): void;
}

/** What somebody who was verified may do, in one call. */
export class Granted implements Access {
  #verified: Verified;
  readonly #head: CallHead;
  readonly #granting: Granting;
  /** What was asked for and is permitted, of a call that goes on: to be asked for again. */
  readonly #asked: Need[] | undefined;

  /** @param goesOn  whether it is a call that may outlast what its permit stands on */
  constructor(verified: Verified, head: CallHead, granting: Granting, goesOn = false) {
    this.#verified = verified;
    this.#head = head;
    this.#granting = granting;
    this.#asked = goesOn ? [] : undefined;
  }

  /**
   * Go on as what the caller is by now.
   *
   * @returns  why they may not any more what they were permitted; undefined: they may
   */
  become(verified: Verified): Refusal | undefined {
    if (verified.caller !== this.#verified.caller) return INVALID; // What it is under is said for all of the call.
    if (verified.grants === this.#verified.grants) return undefined;
    this.#verified = verified;
    if (this.#asked?.length === ASKED_MAX)
      return { code: "PERMISSION_DENIED", expected: "its grants have changed since; ask again" };
    for (const { needed, target } of this.#asked ?? []) {
      const refusal = this.denial(needed, target);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  get identity(): Identity {
    const { callerName: name, credential, keyId, grants, expireTimeMs } = this.#verified;
    return { name, credential, keyId, grants, expireTimeMs, address: this.#granting.addressOf(this.#head) };
  }

  get everywhere(): Permissions {
    return this.#verified.grants.everywhere;
  }

  get amountMax(): bigint | undefined {
    return this.#verified.amountMax;
  }

  allows(needed: Permissions, target: Target): boolean {
    const allowed = this.#verified.grants.allow(needed, target);
    if (allowed) this.#note(needed, target);
    return allowed;
  }

  denial(needed: Permissions, target: Target): Refusal | undefined {
    const { grants, credential } = this.#verified;
    if (grants.allow(needed, target)) {
      this.#note(needed, target);
      return undefined;
    }
    // Who has shown nothing is told to, where no grant to everybody could be enough.
    const missing = credential === "none" && (needed & Permission.ADMIN) !== 0;
    const refusal = missing ? MISSING : permissionDenied(this.#verified, needed, target);
    this.#granting.denied({
      ...denialOf(refusal, this.#head, this.#granting.addressOf(this.#head), this.#verified),
      permission: needed,
      target: "name" in target ? target.name : target.prefix,
    });
    return refusal;
  }

  prefixesFor(needed: Permissions): Prefixes | undefined {
    if (this.#asked !== undefined) return undefined; // Each that is asked for is to be noted.
    return this.#verified.grants.prefixesFor(needed);
  }

  /** Once each: what a stream asks for, it may ask for with each of its messages. */
  #note(needed: Permissions, target: Target): void {
    if (this.#asked === undefined || this.#asked.length === ASKED_MAX) return;
    const of = targetOf(target);
    if (!this.#asked.some((each) => each.needed === needed && targetOf(each.target) === of))
      this.#asked.push({ needed, target });
  }

  charge(operations: number, counted = 0): Refusal | undefined {
    const { rates } = this.#granting;
    const address = this.#granting.addressOf(this.#head);
    const refusal = rates?.charge(this.#verified, address, operations, counted);
    if (refusal !== undefined) {
      this.#granting.denied(denialOf(refusal, this.#head, address, this.#verified));
    }
    return refusal;
  }
}

/** More of it is not kept: a call that has asked for more ends when its grants change. */
const ASKED_MAX = 1_000;

/** What was asked for. */
interface Need {
  readonly needed: Permissions;
  readonly target: Target;
}

/** "=shop.total" and "shop.": told apart as grants tell them. */
function targetOf(target: Target): string {
  return "name" in target ? `=${target.name}` : target.prefix;
}

/** That no credential came. */
export const MISSING: Refusal = { code: "CREDENTIAL_MISSING" };

/** What the operator is told of a call that was refused. @param by  who it was, where that is known */
export function denialOf(
  { code }: Refusal,
  head: CallHead,
  address: string,
  by?: Pick<Verified, "callerName" | "keyId">,
): Denial {
  const { method, overGrpc } = head;
  return {
    reason: code,
    caller: by?.callerName ?? "",
    keyId: by?.keyId ?? "",
    address,
    door: overGrpc ? "grpc" : "http",
    method: `${method.parent.typeName}/${method.name}`,
    permission: 0,
    target: "",
    traceId: traceIdOfCall(head),
  };
}

function permissionDenied({ grants }: Verified, needed: Permissions, target: Target): Refusal {
  const lacking = lackedOf(needed, (bit) => grants.allow(bit, target));
  const permission = permissionsToText(lacking);
  if ("name" in target || (target.prefix === "" && (lacking & ON_NO_PREFIX) !== 0))
    return { code: "PERMISSION_DENIED", permission, expected: `it lacks ${permission} here` };
  const prefixes = grants.prefixesOf(lacking).slice(0, PREFIXES_MAX);
  const within = prefixes.length > 0 ? "; ask for one of its prefixes, or less" : "";
  const expected = `it lacks ${permission} on all names that begin so${within}`;
  return { code: "PERMISSION_DENIED", permission, ...(prefixes.length > 0 && { prefixes }), expected };
}

/** Of several permissions those that are not there. */
function lackedOf(needed: Permissions, allows: (bit: Permissions) => boolean): Permissions {
  let lacking: Permissions = 0;
  for (let bit = 1; bit <= needed; bit *= 2) if ((needed & bit) !== 0 && !allows(bit)) lacking |= bit;
  return lacking;
}

/** What is not about counters. */
const ON_NO_PREFIX = Permission.ADMIN | Permission.OBSERVE;

const PREFIXES_MAX = 10;
