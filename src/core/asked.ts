/**
 * What a call asked, as the record under its request id keeps it: so that reuse of the id for something else is noticed.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type Op, settingsFor, Verb } from "./op.ts";
import {
  byAge,
  isDefault,
  SETTING_KEYS,
  SETTINGS,
  type Setting,
  type SettingKey,
  settingsText,
  textOf,
} from "./settings.ts";

/**
 * What was asked, field by field. The name is in the key. Texts are kept as 53-bit hashes. Settings that came later stand
 * behind those that were there from the beginning, and only if one of them was given.
 */
export function writeAsked(w: ByteWriter, op: Op): void {
  const givesBack = op.verb === Verb.GIVE_BACK;
  const flag =
    op.verb === Verb.DELETE ? op.keepHistory : givesBack ? op.windowStart !== undefined : op.mustExist;
  const given = settingsGiven(op);
  const later = given.size > 0 && LATER.some((key) => given.has(key));
  const missing = ifMissing(op);
  const more = later || missing !== undefined;
  const head =
    (flag ? 0x10 : 0) | (op.etag === undefined ? 0 : 0x20) | (op.note ? 0x40 : 0) | (more ? 0x80 : 0);
  w.byte(op.verb | head);
  w.int64(op.amount);
  if (op.etag !== undefined) w.uint(hash53(op.etag));
  if (op.note) w.uint(hash53(op.note));
  if (givesBack && op.windowStart !== undefined) w.int64(BigInt(op.windowStart));
  if (missing !== undefined) w.uint(missing);
  if (op.verb !== Verb.CREATE && op.verb !== Verb.UPDATE) return;
  if (op.verb === Verb.UPDATE) w.byte(bitsOf(FIRST, given, (_, i) => 1 << i));
  for (const key of FIRST) if (given.has(key)) w.uint(given.get(key)!);
  if (!later) return;
  w.uint(bitsOf(LATER, given, bitOf));
  for (const key of LATER) if (given.has(key)) w.uint(given.get(key)!);
}

/** What stands behind the digest of a single take: by it is told what another one under the same request id differs in. */
export function takeText({ name, amount }: Pick<Op, "name" | "amount">): string {
  return ` ${hash53(name)} ${amount}`;
}

/** The first field in which takes differ from those of the record, by what stands for either there; undefined: in none. */
export function differingTakes(recorded: string, asked: string): string | undefined {
  const [digest, name, amount] = recorded.split(" ");
  const [digestNow, nameNow, amountNow] = asked.split(" ");
  if (digest === digestNow) return undefined;
  if (name === undefined || nameNow === undefined) return "takes";
  return name !== nameNow ? "name" : amount !== amountNow ? "amount" : "if_missing";
}

/** A hash of the settings that an increment or a set has for the counter that it may make. */
function ifMissing({ verb, settings }: Op): number | undefined {
  const counts = verb === Verb.INCREMENT || verb === Verb.SET;
  return counts && settings !== undefined ? hash53(settingsText(settings)) : undefined;
}

function bitsOf(
  keys: readonly SettingKey[],
  given: ReadonlyMap<SettingKey, number>,
  bit: (key: SettingKey, i: number) => number,
): number {
  return keys.reduce((bits, key, i) => (given.has(key) ? bits | bit(key, i) : bits), 0);
}

/** The first field, in the order of the API, in which the record differs from what is asked now. */
export function differingField(r: ByteReader, op: Op): string | undefined {
  const head = r.byte();
  const amount = r.int64();
  const etag = head & 0x20 ? r.uint() : undefined;
  const note = head & 0x40 ? r.uint() : undefined;
  if ((head & 0x0f) !== op.verb) return "the method";
  if (amount !== op.amount) return op.verb === Verb.SET || op.verb === Verb.CREATE ? "value" : "amount";
  if (op.verb === Verb.GIVE_BACK) {
    const windowStart = head & 0x10 ? Number(r.int64()) : undefined;
    return windowStart === op.windowStart ? undefined : "window_start";
  }
  const deletes = op.verb === Verb.DELETE;
  if (!deletes && (head & 0x10) !== (op.mustExist ? 0x10 : 0)) return "must_exist";
  if (etag !== (op.etag === undefined ? undefined : hash53(op.etag))) {
    return op.verb === Verb.UPDATE ? "settings_etag" : "etag";
  }
  if (note !== (op.note ? hash53(op.note) : undefined)) return "note";
  if (deletes && (head & 0x10) !== (op.keepHistory ? 0x10 : 0)) return "keep_history";
  if (op.verb === Verb.INCREMENT || op.verb === Verb.SET)
    return (head & 0x80 ? r.uint() : undefined) === ifMissing(op) ? undefined : "if_missing";
  return op.verb === Verb.CREATE || op.verb === Verb.UPDATE
    ? differingSetting(r, op, (head & 0x80) !== 0)
    : undefined;
}

/** The first setting that was given another value, or only one of the two times. */
function differingSetting(r: ByteReader, op: Op, later: boolean): string | undefined {
  const recorded = new Map<SettingKey, number>();
  const bits = op.verb === Verb.UPDATE ? r.byte() : 2 ** FIRST.length - 1;
  for (const [i, key] of FIRST.entries()) if (bits & (1 << i)) recorded.set(key, r.uint());
  const laterBits = later ? r.uint() : 0;
  for (const key of LATER) if (laterBits & bitOf(key)) recorded.set(key, r.uint());
  const given = settingsGiven(op);
  const differing = SETTING_KEYS.find((key) => recorded.get(key) !== given.get(key));
  return differing && SETTINGS[differing].field;
}

/** Settings that were there from the beginning, and those that came later. */
export const { first: FIRST, later: LATER } = byAge(SETTING_KEYS);

/** What stands for a setting in a set of those that came later; 0 of one that was there from the beginning. */
export function bitOf(key: SettingKey): number {
  return (SETTINGS[key] as Setting).bit ?? 0;
}

/**
 * What a creation or an update says of settings, as hashes: an update of those that its mask names, a creation of all,
 * but for those that came later and are at their defaults.
 */
function settingsGiven(op: Op): ReadonlyMap<SettingKey, number> {
  const { mask } = op;
  const settings = op.verb === Verb.CREATE ? settingsFor(op) : op.settings; // As the rule takes them.
  if (settings === undefined) return NOTHING_GIVEN;
  const given = mask ?? [...FIRST, ...LATER.filter((key) => !isDefault(settings, key))];
  return new Map(given.map((key) => [key, hash53(textOf(key, settings[key]))]));
}

const NOTHING_GIVEN: ReadonlyMap<SettingKey, number> = new Map();

/** 53 bits of a text: two independent FNV-like passes. Enough to notice an honest mistake; not for secrets. */
function hash53(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (a >>> 0) * 0x200000 + ((b >>> 0) & 0x1fffff);
}
