import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";
import { Grants } from "../core/grants.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import { CurrentDirectory } from "./current-directory.ts";
import { DirectoryChanges } from "./directory-changes.ts";
import { createKey, isLive } from "./keys.ts";
import { createPrincipal, updatePrincipal } from "./principals.ts";
import type { RandomBytes } from "./random-id.ts";

/** What the first administrator is called. */
export const ADMIN_NAME = "admin";

/** A key of `admin`, that nobody else has. */
export interface FirstAdmin {
  readonly key: string;
  readonly keyId: string;
  /** How many others of it are good. */
  readonly othersLive: number;
}

/**
 * Make the principal `admin`, who may do everything, and a key of it. Without anybody to ask: for who has the store itself.
 *
 * @param again    also when somebody may administrate already: the way back for who has lost the key
 * @returns        "ADMIN_EXISTS" when somebody may, and it is not to be again; else why there is no key: TOO_MANY_KEYS,
 *                 ROW_CORRUPT, TOO_MANY_PRINCIPALS
 * @throws TallyError  when the catalogue cannot be read or written
 */
export async function makeFirstAdmin(
  catalogue: Catalogue,
  again: boolean,
  { clock, randomBytes }: { readonly clock: Clock; readonly randomBytes: RandomBytes },
): Promise<FirstAdmin | Refusal | "ADMIN_EXISTS"> {
  const nobody = { everyMs: 3_600_000, staleMs: 3_600_000, onFailure() {}, onRecovery() {} };
  const current = await CurrentDirectory.open(catalogue, clock, nobody);
  try {
    if (current.directory.hasAdmin && !again) return "ADMIN_EXISTS";
    const changes = new DirectoryChanges(current, catalogue, clock);
    const all = { description: "", grants: Grants.ALL, rate: undefined };
    const made =
      current.directory.principalByName(ADMIN_NAME) === undefined
        ? await createPrincipal(changes, ADMIN_NAME, all, randomBytes)
        : await updatePrincipal(changes, ADMIN_NAME, { grants: Grants.ALL, disabled: false });
    if ("code" in made) return made;
    const others = current.directory.keysOf(made.id).filter((key) => isLive(key, clock.now()));
    const key = await createKey(
      changes,
      ADMIN_NAME,
      { description: "tally auth init", ttlMs: undefined },
      randomBytes,
    );
    if ("code" in key) return key;
    return { key: key.text, keyId: key.key.id, othersLive: others.length };
  } finally {
    current.close();
  }
}
