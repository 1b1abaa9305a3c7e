import type { CatalogueEntry, CatalogueName } from "./catalogue.ts";
import { CORRUPT } from "./counter.ts";
import { type Settings, settingsFromJson, settingsToJson } from "./settings.ts";
import { fullRefillMs } from "./timing.ts";
import { isCalendar } from "./window.ts";

/** What a limit does when it is reached: refuses, or says so and lets it pass. */
export const ENFORCEMENTS = ["enforce", "shadow"] as const;
export type Enforcement = (typeof ENFORCEMENTS)[number];

/** The settings of the counters whose names begin with a prefix, and that follow it. */
export interface Policy {
  /** What the names begin with; "" for all. The longest prefix wins, whole. */
  readonly prefix: string;
  readonly settings: Settings;
  /** Of takes from limits only. */
  readonly enforcement: Enforcement;
  /** Of the catalogue, when it was set: larger than that of every policy that was set before. */
  readonly revision: number;
}

/** How many policies there can be. */
export const POLICIES_MAX = 10_000;

/** What of a catalogue was written, as a store reads it. */
interface Written {
  readonly entries: readonly CatalogueEntry[];
  readonly corrupt: readonly CatalogueName[];
}

/** All policies of a store as of one moment. Never changed. */
export class PolicySet {
  static readonly NONE = new PolicySet(new Map(), new Map(), 0, false);
  /** Of a catalogue of which nobody can say what is in it. */
  static readonly DAMAGED = new PolicySet(new Map(), new Map(), 0, true);

  /** Of the policy that was written last, or taken away: one set has another revision than every set after it. */
  readonly revision: number;
  /** Whether a policy is damaged: then no counter can be told which policy it is to follow, for its prefix may be too. */
  readonly damaged: boolean;
  readonly #policies: ReadonlyMap<string, Policy>;
  /** When each was written, those too that are gone. */
  readonly #written: ReadonlyMap<string, number>;
  /** How long the prefixes are, the longest first. */
  readonly #lengths: readonly number[];

  private constructor(
    policies: ReadonlyMap<string, Policy>,
    written: ReadonlyMap<string, number>,
    revision: number,
    damaged: boolean,
  ) {
    this.#policies = policies;
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
    const versions = new Map(this.#written);
    let [revision, unreadable] = [this.revision, this.damaged || damaged];
    for (const { key, version, body } of written) {
      const prefix = key.slice(0, -1);
      const policy = body === undefined ? undefined : policyFromBody(prefix, body, version);
      if (policy !== undefined) policies.set(prefix, policy);
      else policies.delete(prefix);
      unreadable ||= policy === undefined && body !== undefined;
      versions.set(prefix, version);
      revision = Math.max(revision, version);
    }
    return new PolicySet(policies, versions, revision, unreadable);
  }

  /** The policy of exactly this prefix. */
  get(prefix: string): Policy | undefined {
    return this.#policies.get(prefix);
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

/** What a policy is kept under: "shop.*", for keys are not empty, and prefixes may be. */
export function policyKeyOf(prefix: string): string {
  return `${prefix}*`;
}

/** A policy as the catalogue keeps it. */
export function policyToBody({ settings, enforcement }: Pick<Policy, "settings" | "enforcement">): string {
  return JSON.stringify({ settings: settingsToJson(settings), enforcement });
}

/** And back; undefined when the body is none that this version understands. */
function policyFromBody(prefix: string, body: string, revision: number): Policy | undefined {
  try {
    const { settings, enforcement } = JSON.parse(body) as { settings: object; enforcement: Enforcement };
    if (!ENFORCEMENTS.includes(enforcement)) return undefined;
    return { prefix, settings: settingsFromJson(settings), enforcement, revision };
  } catch {
    return undefined; // Of a newer version: what it does not say here is not for this one to guess.
  }
}

/**
 * How long a counter is kept whose policy says nothing of it, in milliseconds: a quota that is back at initial equals one
 * that was never made, and names that strangers choose must not fill the disk. Undefined: for ever.
 */
export function defaultIdleTtlMs(settings: Settings): bigint | undefined {
  const { window, refill, min, max } = settings;
  if (window === undefined && (refill === undefined || min === undefined || max === undefined))
    return undefined;
  const span =
    window === undefined
      ? fullRefillMs(settings)
      : isCalendar(window)
        ? DAYS_AT_MOST[window.unit] * DAY_MS
        : window.everyMs;
  return BigInt(Math.min(IDLE_TTL_MAX_MS, Math.max(DAY_MS, 2 * span)));
}

const DAY_MS = 86_400_000;
/** As the .proto files have it. */
const IDLE_TTL_MAX_MS = 3_650 * DAY_MS;
/** The longest of each unit, but for the hour that some days have more. */
const DAYS_AT_MOST = { day: 1, week: 7, month: 31, quarter: 92, year: 366 } as const;
