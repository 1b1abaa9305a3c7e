/** Counters that time does something to, within seconds: what they are made with, and what callers ask of them. */
import type { Asked, Rules } from "./history.ts";
import { PLAIN_RULES } from "./history.ts";
import type { Random } from "./random.ts";

export const INITIAL = 0n;
export const WINDOW_MS = 1_000;
export const IDLE_TTL_MS = 1_000;

const durationOf = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1e6 });
const IDLE_COUNTERS = 40;

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

/** Of one that lasts. */
export function nextTimed(random: Random): { name: string; asked: Asked } {
  const name = random.pick(Object.keys(LASTING));
  const amount = BigInt(random.between(1, 9));
  return { name, asked: { verb: "add", amount: random.fraction() < 0.3 ? -amount : amount } };
}

/** Of one that expires. An increment would make one that does not. */
export function nextIdle(random: Random): { name: string; asked: Asked } {
  const name = `timed/idle/${random.between(0, IDLE_COUNTERS - 1)}`;
  const amount = BigInt(random.between(1, 9));
  if (random.fraction() < 0.5) return { name, asked: { verb: "create", value: amount } };
  return { name, asked: { verb: "add", amount: -amount } };
}
