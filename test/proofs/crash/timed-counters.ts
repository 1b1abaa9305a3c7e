/** Counters that time does something to, within seconds: what they are made with, and what callers ask of them. */
import type { Asked, Rules } from "./history.ts";
import { PLAIN_RULES } from "./history.ts";
import type { Random } from "./random.ts";

export const INITIAL = 0n;
export const WINDOW_MS = 1_000;
export const IDLE_TTL_MS = 1_000;

const durationOf = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1e6 });
const IDLE_COUNTERS = 40;

/** Counters that follow a policy, which is set again and again; changes make them. */
export const BY_POLICY = "timed/window/by-policy/";
const FOLLOWING = Array.from({ length: 3 }, (_, n) => `${BY_POLICY}${n}`);
/** What the policy says in turn. */
export const POLICY_MAX = { from: 20n, to: 400n } as const;

/** Made before a run. The others are made, expire and are made again in it. */
export const LASTING: Readonly<Record<string, Rules>> = {
  "timed/window/0": { ...PLAIN_RULES, min: -500n, max: 500n },
  "timed/window/1": { ...PLAIN_RULES, min: -50n, max: 50n },
  "timed/bucket/0": { ...PLAIN_RULES, min: 0n, max: 300n },
};

export const isTimed = (name: string) => name.startsWith("timed/");
export const isIdle = (name: string) => name.startsWith("timed/idle/");
export const refills = (name: string) => name.startsWith("timed/bucket/");

/** The settings of time that such a counter is made with; none of any other. */
export function timeSettingsOf(name: string) {
  if (isIdle(name)) return { idleTtl: durationOf(IDLE_TTL_MS) };
  if (refills(name)) return { refill: { amount: 100n, every: durationOf(300) } };
  if (!isTimed(name)) return {};
  return { window: { span: { case: "every" as const, value: durationOf(WINDOW_MS) } } };
}

/** Of one that lasts. @param alone  in a call of its own, which may be one about a limit */
export function nextTimed(random: Random, alone = false): { name: string; asked: Asked } {
  const name = random.pick([...Object.keys(LASTING), ...FOLLOWING]);
  const amount = BigInt(random.between(1, 9));
  const kind = random.fraction();
  if (kind < 0.6 && alone) return { name, asked: { verb: "take", amount } };
  if (kind < 0.8 && alone) return { name, asked: { verb: "give back", amount } };
  return { name, asked: { verb: "add", amount: random.fraction() < 0.3 ? -amount : amount } };
}

/** Takes of several of them, all or nothing; also of one twice. */
export function nextTakes(random: Random): { name: string; amount: bigint }[] {
  const names = [...Object.keys(LASTING), ...FOLLOWING];
  return Array.from({ length: random.between(2, 4) }, () => {
    return { name: random.pick(names), amount: BigInt(random.between(1, 9)) };
  });
}

/** Of one that expires. An increment would make one that does not. */
export function nextIdle(random: Random): { name: string; asked: Asked } {
  const name = `timed/idle/${random.between(0, IDLE_COUNTERS - 1)}`;
  const amount = BigInt(random.between(1, 9));
  const kind = random.fraction();
  if (kind < 0.4) return { name, asked: { verb: "create", value: amount } };
  if (kind < 0.6) return { name, asked: { verb: "take", amount } };
  if (kind < 0.7) return { name, asked: { verb: "give back", amount } };
  return { name, asked: { verb: "add", amount: -amount } };
}
