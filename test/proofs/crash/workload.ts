import type { Asked, Rules } from "./history.ts";
import { PLAIN_RULES } from "./history.ts";
import type { Random } from "./random.ts";
import { LASTING, nextIdle, nextTakes, nextTimed, POLICY_MAX } from "./timed-counters.ts";

/** What a caller is to do next. */
export type Plan =
  | ({ readonly kind: "single" } & Step)
  | { readonly kind: "batch"; readonly steps: readonly Step[]; readonly allOrNothing: boolean }
  /** Of several limits, all or nothing. */
  | { readonly kind: "takes"; readonly takes: readonly { readonly name: string; readonly amount: bigint }[] }
  /** The policy is set anew. */
  | { readonly kind: "policy"; readonly max: bigint };

export interface Step {
  readonly name: string;
  readonly asked: Asked;
}

/** A counter with little room, so that refusals and clamping are part of the run. */
const NARROW: Readonly<Record<string, Rules>> = {
  "quota/0": { initial: 0n, min: 0n, max: 500n, clamp: false },
  "quota/1": { initial: 20n, min: -10n, max: 100n, clamp: false },
  "gauge/0": { initial: 0n, min: -30n, max: 30n, clamp: true },
};

const HOT = ["hot/0", "hot/1", "hot/2", "hot/3"];
const FREE = ["free/0", "free/1"];
/** Counters that are deleted and made again. */
const MORTAL = ["mortal/0", "mortal/1", "mortal/2", "mortal/3"];
const COLD_COUNTERS = 2_000;
const BOUNDED = Object.keys(NARROW);

/** What is done before the run: the policy is set, and the counters are made that have rules of their own. */
export const FIRST: readonly Plan[] = [
  { kind: "policy", max: POLICY_MAX.to },
  ...Object.entries({ ...NARROW, ...LASTING }).map(([name, { initial }]): Plan => {
    return { kind: "single", name, asked: { verb: "create", value: initial } };
  }),
];

/** A counter of which the run knows only increments and decrements without bounds: its value is their sum. */
export function isPlainSum(name: string): boolean {
  return name.startsWith("hot/") || name.startsWith("cold/");
}

export function rulesOf(name: string): Rules {
  if (name.startsWith("mortal/")) return MORTAL_RULES;
  return NARROW[name] ?? LASTING[name] ?? PLAIN_RULES;
}

const MORTAL_RULES: Rules = { ...PLAIN_RULES, mortal: true };

/**
 * The next thing to do: mostly changes of a few hot counters, alone and in batches, and of everything else a
 * little, so that every verb, a replayed refusal and a group dropped halfway are in flight at some kill.
 */
export function nextPlan(random: Random): Plan {
  const kind = random.fraction();
  if (kind < 0.2) {
    const steps = Array.from({ length: random.between(1, 60) }, () => nextChange(random));
    return { kind: "batch", steps, allOrNothing: random.fraction() < 0.25 };
  }
  if (kind < 0.32) return { kind: "single", name: anyName(random), asked: { verb: "read" } };
  if (kind < 0.33) {
    const value = BigInt(random.between(-100, 100));
    return { kind: "single", name: coldName(random), asked: { verb: "create", value } };
  }
  if (kind < 0.36) {
    const name = random.fraction() < 0.1 ? coldName(random) : random.pick([...HOT, ...FREE]);
    return { kind: "single", name, asked: anyUpdate(random) };
  }
  if (kind < 0.5) return { kind: "single", name: random.pick(MORTAL), asked: nextOfLife(random) };
  if (kind < 0.54) return { kind: "single", ...nextIdle(random) };
  if (kind < 0.62) return { kind: "single", ...nextTimed(random, true) };
  if (kind < 0.66) return { kind: "takes", takes: nextTakes(random) };
  if (kind < 0.662) return { kind: "policy", max: random.pick(Object.values(POLICY_MAX)) };
  return { kind: "single", ...nextChange(random) };
}

/** Of a counter whose answers must all tell its uid, and so not in a batch. */
function nextOfLife(random: Random): Asked {
  const kind = random.fraction();
  if (kind < 0.15) return { verb: "delete", keepHistory: random.fraction() < 0.5 };
  if (kind < 0.3) return { verb: "read" };
  if (kind < 0.4) return anyUpdate(random);
  if (kind < 0.5) return { verb: "create", value: BigInt(random.between(-100, 100)) };
  if (kind < 0.55) return { verb: "set", value: BigInt(random.between(-100, 100)) };
  return anyStep(random, 9);
}

function anyUpdate(random: Random): Asked {
  return { verb: "update", mark: BigInt(random.between(1, 2 ** 40)) };
}

function nextChange(random: Random): Step {
  const kind = random.fraction();
  if (kind < 0.05) return nextTimed(random);
  if (kind < 0.55) return { name: random.pick(HOT), asked: anyStep(random, 9) };
  if (kind < 0.75) return { name: coldName(random), asked: anyStep(random, 9) };
  if (kind < 0.88) return { name: random.pick(BOUNDED), asked: anyStep(random, 60) };
  if (kind < 0.94) {
    return { name: random.pick(FREE), asked: { verb: "set", value: BigInt(random.between(-1000, 1000)) } };
  }
  if (kind < 0.97) return { name: random.pick(FREE), asked: anyStep(random, 9) };
  return { name: random.pick([...FREE, "quota/1"]), asked: { verb: "reset" } };
}

/** An increment, or at times a decrement. */
function anyStep(random: Random, max: number): Asked {
  const amount = BigInt(random.between(1, max));
  return { verb: "add", amount: random.fraction() < 0.3 ? -amount : amount };
}

function anyName(random: Random): string {
  return random.fraction() < 0.2 ? coldName(random) : random.pick([...HOT, ...FREE, ...MORTAL, ...BOUNDED]);
}

function coldName(random: Random): string {
  return `cold/${random.between(0, COLD_COUNTERS - 1)}`;
}
