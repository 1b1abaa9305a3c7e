import { isDeepStrictEqual } from "node:util";
import { type Config, KEYS, type KeyedConfig } from "./keys.ts";
import type { Key } from "./kinds.ts";

/** What of a configuration is another than before, by the names of settings, in the order of help. */
export interface Difference {
  /** What takes effect at once. */
  readonly reloadable: readonly string[];
  /** What needs a restart. */
  readonly others: readonly string[];
}

/** What of a configuration that was read again is another than in the one in use. */
export function differenceOf(before: Config, after: Config): Difference {
  const differing = (Object.keys(KEYS) as (keyof KeyedConfig)[]).filter(
    (field) => !isDeepStrictEqual(before[field], after[field]),
  );
  const named = (isReloadable: boolean) =>
    differing.filter((field) => isReloadableField(field) === isReloadable).map((field) => KEYS[field].name);
  const issuers = isDeepStrictEqual(before.oidc, after.oidc) ? [] : ["oidc"];
  return { reloadable: named(true), others: [...named(false), ...issuers] };
}

/** The configuration in use after one was read again: of the settings that can take effect, as it has them now. */
export function reloaded(before: Config, after: Config): Config {
  const now = Object.fromEntries(
    Object.entries(before).map(([field, value]) => {
      const takes = field in KEYS && isReloadableField(field as keyof KeyedConfig);
      return [field, takes ? after[field as keyof Config] : value];
    }),
  );
  return Object.freeze(now) as Config;
}

function isReloadableField(field: keyof KeyedConfig): boolean {
  const key: Key<unknown> = KEYS[field];
  return key.isReloadable === true;
}
