import type { CatalogueEntry, CatalogueName } from "./catalogue.ts";
import { CORRUPT, type Counter } from "./counter.ts";
import type { Policy, PolicyVersion } from "./policy.ts";
import { FORMER_MAX, versionsFromBody } from "./policy-body.ts";
import { type Settings, textOf } from "./settings.ts";

/** What comes over a counter that follows a policy: another one; or, undefined, that there is none any more. */
export interface PolicyStep {
  readonly policy: Policy | undefined;
  /** As of when; undefined: as of now. */
  readonly time: number | undefined;
}

/** How many policies there can be. */
export const POLICIES_MAX = 10_000;
/** How many tombstones are kept: the oldest go first. */
const TOMBSTONES_MAX = 10_000;

/** What of a catalogue was written, as a store reads it. */
interface Written {
  readonly entries: readonly CatalogueEntry[];
  readonly corrupt: readonly CatalogueName[];
}

/** All policies of a store as of one moment. Never changed. */
export class PolicySet {
  static readonly NONE = new PolicySet(new Map(), new Map(), new Map(), 0, false);
  /** Of a catalogue of which nobody can say what is in it. */
  static readonly DAMAGED = new PolicySet(new Map(), new Map(), new Map(), 0, true);

  /** Of the policy that was written last, or taken away: one set has another revision than every set after it. */
  readonly revision: number;
  /** Whether a policy is damaged: then no counter can be told which policy it is to follow, for its prefix may be too. */
  readonly damaged: boolean;
  readonly #policies: ReadonlyMap<string, Policy>;
  /** What was said last of each prefix, the latest at the end: so that a counter goes through all that it has missed. */
  readonly #versions: ReadonlyMap<string, readonly PolicyVersion[]>;
  /** When each was written, those too that are gone. */
  readonly #written: ReadonlyMap<string, number>;
  /** How long the prefixes are, the longest first. */
  readonly #lengths: readonly number[];

  private constructor(
    policies: ReadonlyMap<string, Policy>,
    versions: ReadonlyMap<string, readonly PolicyVersion[]>,
    written: ReadonlyMap<string, number>,
    revision: number,
    damaged: boolean,
  ) {
    this.#policies = policies;
    this.#versions = versions;
    this.#written = written;
    this.#lengths = [...new Set([...policies.keys()].map(({ length }) => length))].sort((a, b) => b - a);
    this.revision = revision;
    this.damaged = damaged;
  }

  /** How many there are. */
  get size(): number {
    return this.#policies.size;
  }

  /** In the order of their prefixes. */
  get all(): Policy[] {
    return [...this.#policies.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  }

  /** The same with what was written since; the same object when no policy was. */
  with({ entries, corrupt }: Written): PolicySet {
    const damaged = corrupt.some(({ kind }) => !OTHER_KINDS.includes(kind));
    const written = entries.filter(({ kind }) => kind === "policy");
    if (written.length === 0 && !damaged) return this;
    const policies = new Map(this.#policies);
    const versions = new Map(this.#versions);
    const times = new Map(this.#written);
    let [revision, unreadable] = [this.revision, this.damaged || damaged];
    for (const { key, version, body } of written) {
      const prefix = key.slice(0, -1);
      const said = body === undefined ? undefined : versionsFromBody(prefix, body, version);
      const policy = said?.at(-1);
      if (policy?.settings !== undefined) policies.set(prefix, policy);
      else policies.delete(prefix);
      if (said !== undefined) versions.set(prefix, said);
      else versions.delete(prefix);
      unreadable ||= said === undefined && body !== undefined;
      times.set(prefix, version);
      revision = Math.max(revision, version);
    }
    return new PolicySet(policies, versions, times, revision, unreadable);
  }

  /** The policy of exactly this prefix. */
  get(prefix: string): Policy | undefined {
    return this.#policies.get(prefix);
  }

  /** What was said of exactly this prefix, as far as it is kept; the latest at the end. */
  versions(prefix: string): readonly PolicyVersion[] {
    return this.#versions.get(prefix) ?? [];
  }

  /** The prefix of the oldest tombstone when there are more of them than are kept. */
  get tombstoneTooMany(): string | undefined {
    if (this.#versions.size - this.#policies.size <= TOMBSTONES_MAX) return undefined;
    let oldest: PolicyVersion | undefined;
    for (const [prefix, versions] of this.#versions) {
      const last = versions.at(-1)!;
      if (!this.#policies.has(prefix) && last.revision < (oldest?.revision ?? Number.POSITIVE_INFINITY))
        oldest = last;
    }
    return oldest?.prefix;
  }

  /**
   * What came over a counter since it was settled, in order: each policy that came to hold for it, and each time from when
   * there was none. There is at least one for a counter that is not settled.
   *
   * @param counter  that follows one. Of revision 0 (it could not have all of it) it is the latest one there that says of time
   *                 what the counter has, else the latest, once more, and what came since the last time that it held
   */
  stepsOf(name: string, counter: Pick<Counter, "policy" | (typeof TIME_KEYS)[number]>): PolicyStep[] {
    const now = this.for(name);
    if (now === CORRUPT) return [];
    const { prefix, revision: settled } = counter.policy!;
    const own = this.versions(prefix);
    const policies = own.filter(isPolicy);
    const part = policies.findLast(({ settings }) => TIME_KEYS.every((key) => isHad(counter, settings, key)));
    const once = settled === 0 ? (part ?? policies.at(-1)) : undefined;
    const from = once === undefined ? settled : once.revision - 1;
    const steps: PolicyStep[] = [];
    const said = this.#versionsFor(name);
    for (const { revision, setTime } of since(said, from)) {
      const policy = heldAt(said, revision);
      const before = steps.length === 0 ? from : steps.at(-1)!.policy?.revision;
      if (policy?.revision !== before) steps.push({ policy, time: setTime });
    }
    // Where what came between is not kept any more.
    if (steps.length === 0 || steps.at(-1)!.policy !== now)
      steps.push({ policy: now, time: now === undefined ? own.at(-1)?.setTime : now.setTime });
    // Until it came under that one last, another may have held: as far as anybody knows it has gone through that.
    if (once !== undefined)
      steps.splice(
        0,
        steps.findLastIndex(({ policy }) => policy === once),
      );
    return steps.flatMap((step, k) => leadingTo(steps[k - 2], steps[k - 1], step));
  }

  /** What was said of each prefix that a name begins with, the longest first. */
  #versionsFor(name: string): (readonly PolicyVersion[])[] {
    const found: (readonly PolicyVersion[])[] = [];
    for (let length = name.length; length >= 0; length--) {
      const versions = this.#versions.get(name.slice(0, length));
      if (versions !== undefined) found.push(versions);
    }
    return found;
  }

  /** The policy that holds for a counter of this name, if it follows one; CORRUPT where nobody can tell. */
  for(name: string): Policy | undefined | typeof CORRUPT {
    if (this.damaged) return CORRUPT;
    for (const length of this.#lengths) {
      if (length > name.length) continue;
      const policy = this.#policies.get(name.slice(0, length));
      if (policy !== undefined) return policy;
    }
    return undefined;
  }

  /** The prefixes under which something changed after a revision; none of them begins with another one. */
  changedSince(revision: number): string[] {
    const changed: string[] = [];
    for (const [prefix, version] of [...this.#written].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (version <= revision) continue;
      const last = changed.at(-1);
      if (last === undefined || !prefix.startsWith(last)) changed.push(prefix);
    }
    return changed;
  }
}

/** Kinds of entries that no policy can have become by a flipped bit. */
const OTHER_KINDS: readonly string[] = ["principal", "key", "binding", "webhook", "setting"];

const TIME_KEYS = ["initial", "window", "refill", "idleTtlMs"] as const;

/** Whether a counter has what a policy says of time; a refill goes where the bounds have come to be too far apart. */
function isHad(
  counter: Pick<Counter, (typeof TIME_KEYS)[number]>,
  settings: Settings,
  key: (typeof TIME_KEYS)[number],
): boolean {
  if (key === "refill" && counter.refill === undefined) return true;
  return textOf(key, counter[key]) === textOf(key, settings[key]);
}

function isPolicy(version: PolicyVersion): version is Policy {
  return version.settings !== undefined;
}

/**
 * A counter whose value is beyond a bound keeps to the last policy that there was, until the value fits or there is another:
 * whether it fits is looked at when there is none any more, and again when there is another.
 */
function leadingTo(
  first: PolicyStep | undefined,
  before: PolicyStep | undefined,
  step: PolicyStep,
): PolicyStep[] {
  const { time } = step;
  if (before?.policy !== undefined && step.policy === undefined) return [{ ...before, time }, step];
  if (first === undefined || before!.policy !== undefined) return [step];
  return [{ ...first, time }, { ...before!, time }, step];
}

/** What was said after a revision, in order. @param said  of each prefix */
function since(said: readonly (readonly PolicyVersion[])[], revision: number): PolicyVersion[] {
  return said
    .flat()
    .filter((each) => each.revision > revision)
    .sort((a, b) => a.revision - b.revision);
}

/** The policy that held once a revision was written. @param said  of each prefix, the longest first */
function heldAt(said: readonly (readonly PolicyVersion[])[], revision: number): Policy | undefined {
  for (const versions of said) {
    // Of what is kept the oldest stands for those before it that are not.
    const oldest = versions.length > FORMER_MAX ? versions[0] : undefined;
    const held = versions.findLast((each) => each.revision <= revision) ?? oldest;
    if (held?.settings !== undefined) return held;
  }
  return undefined;
}
