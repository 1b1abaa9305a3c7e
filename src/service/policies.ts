import type { CatalogueWrite } from "../core/catalogue.ts";
import { refillConflict } from "../core/decide.ts";
import { type Epoch, inEpoch } from "../core/epoch.ts";
import type { Refusal } from "../core/errors.ts";
import { POLICIES_DAMAGED } from "../core/following.ts";
import { POLICIES_MAX, PolicySet } from "../core/policies.ts";
import type { Enforcement, Policy } from "../core/policy.ts";
import { policyKeyOf, policyToBody, tombstoneToBody } from "../core/policy-body.ts";
import type { Settings } from "../core/settings.ts";
import type { Catalogue } from "./store-catalogue.ts";

/** The policies of a store, as entries of its catalogue: the settings of the counters that begin with a prefix. */
export class Policies {
  readonly #catalogue: Catalogue;
  readonly #epoch: Epoch;
  #version = 0;
  #set = PolicySet.NONE;
  /** One after another: each counts how many there are before it writes, and reads in order. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param epoch  of the store: what etags of its policies end in */
  constructor(catalogue: Catalogue, epoch?: Epoch) {
    this.#catalogue = catalogue;
    this.#epoch = epoch;
  }

  /** Names a policy at a revision; 0 is none. */
  etagOf(revision: number): string {
    return inEpoch(`p${revision}`, this.#epoch);
  }

  /** Of such a text; undefined when it is none, or of another epoch. */
  revisionIn(etag: string): number | undefined {
    const [, digits] = /^p(\d{1,15})(?:\.|$)/.exec(etag) ?? [];
    return digits !== undefined && this.etagOf(Number(digits)) === etag ? Number(digits) : undefined;
  }

  /**
   * All there are, every one that was set before the call included.
   *
   * @throws TallyError ROW_CORRUPT  when the catalogue is damaged so that nobody can say
   */
  read(): Promise<PolicySet> {
    return this.#inTurn(() => this.#read());
  }

  async #read(): Promise<PolicySet> {
    let changes = await this.#catalogue.read(this.#version);
    if (changes.version < this.#version) {
      this.#set = PolicySet.NONE; // Another catalogue stands there by now.
      changes = await this.#catalogue.read(0);
    }
    this.#set = this.#set.with(changes);
    this.#version = changes.version;
    return this.#set;
  }

  /**
   * Set the policy of a prefix, in the place of the one that it has. The same again changes nothing, whatever the revision:
   * so a retry is answered as its first try.
   *
   * @param prefix    what names can begin with, or ""
   * @param revision  only if the policy there still has this one, 0: only if there is none; undefined: whatever it is
   */
  async set(
    prefix: string,
    settings: Settings,
    enforcement: Enforcement,
    revision?: number,
  ): Promise<Policy | Refusal> {
    return conflictIn(settings) ?? this.#inTurn(() => this.#replace(prefix, settings, enforcement, revision));
  }

  async #replace(
    prefix: string,
    settings: Settings,
    enforcement: Enforcement,
    revision: number | undefined,
  ): Promise<Policy | Refusal> {
    const body = policyToBody({ settings, enforcement });
    for (;;) {
      const policies = await this.#read();
      const found = policies.damaged ? undefined : policies.get(prefix);
      const same = found !== undefined && policyToBody({ ...found, setTime: undefined }) === body;
      if (same) return found;
      const setTime = await this.#catalogue.now?.();
      const policy = { prefix, settings, enforcement, setTime };
      const written = await this.#write(policies, prefix, policy, setTime, revision);
      if (written !== undefined)
        return typeof written === "number" ? { ...policy, revision: written } : written;
    } // Somebody was quicker: what it is by now may be the same, or one too many.
  }

  /**
   * Take the policy of a prefix away. A tombstone stays, for the counters that are not settled yet.
   *
   * @param revision  as for `set`
   * @returns         undefined once it is gone
   */
  remove(prefix: string, revision?: number): Promise<undefined | Refusal> {
    return this.#inTurn(() => this.#remove(prefix, revision));
  }

  async #remove(prefix: string, revision: number | undefined): Promise<undefined | Refusal> {
    let written: number | Refusal | undefined;
    while (written === undefined) {
      const policies = await this.#read();
      written = await this.#write(policies, prefix, undefined, await this.#catalogue.now?.(), revision);
    }
    if (typeof written !== "number") return written;
    const policies = await this.#read();
    const key = policies.tombstoneTooMany;
    if (key === undefined) return undefined;
    const expectedVersion = policies.versions(key).at(-1)!.revision;
    // If somebody was quicker, the next one that is taken away takes it along.
    await this.#catalogue.write({ kind: "policy", key: policyKeyOf(key), body: undefined, expectedVersion });
    return undefined;
  }

  /**
   * @param policies  as they were read last
   * @returns         the revision of what was written; undefined when somebody was quicker, and nothing was
   */
  async #write(
    policies: PolicySet,
    prefix: string,
    policy: Pick<Policy, "settings" | "enforcement" | "setTime"> | undefined,
    setTime: number | undefined,
    revision: number | undefined,
  ): Promise<number | Refusal | undefined> {
    if (policies.damaged) return POLICIES_DAMAGED;
    const found = policies.get(prefix)?.revision ?? 0;
    if (found === 0 && policy === undefined) return { code: "POLICY_NOT_FOUND" };
    if (revision !== undefined && revision !== found)
      return { code: "ETAG_MISMATCH", etag: this.etagOf(found) };
    if (found === 0 && policies.size >= POLICIES_MAX)
      return { code: "TOO_MANY_POLICIES", max: BigInt(POLICIES_MAX) };
    const former = policies.versions(prefix);
    const entry: CatalogueWrite = {
      kind: "policy",
      key: policyKeyOf(prefix),
      body: policy === undefined ? tombstoneToBody(setTime, former) : policyToBody(policy, former),
      expectedVersion: former.at(-1)?.revision ?? 0,
      // One more than there were: other processes have counted as well.
      ...(found === 0 && { latestVersion: this.#version }),
    };
    return this.#catalogue.write(entry);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** Why no counter could have these settings. */
function conflictIn(settings: Settings): Refusal | undefined {
  const { initial, min, max, refill } = settings;
  const conflict = refill === undefined ? undefined : refillConflict(settings);
  if (conflict !== undefined) return { code: "SETTINGS_CONFLICT", field: "refill", expected: conflict };
  if ((min === undefined || initial >= min) && (max === undefined || initial <= max)) return undefined;
  const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
  return { code: "VALUE_OUTSIDE_BOUNDS", field: "initial", requested: initial, ...bounds };
}
