import type { CatalogueWrite } from "../core/catalogue.ts";
import type { CatalogueChanges } from "../service/store-catalogue.ts";
import { keyFromBody, keyToBody } from "./entries.ts";
import { isLive } from "./keys.ts";

/**
 * What revokes every API key of a catalogue that is not served meanwhile: for a store that was restored, in which keys are
 * good again that were revoked since. One that this version cannot read might be good for another: it is taken away.
 *
 * @param nowMs  when they are revoked
 * @returns      how many were good, and what is to be written
 */
export function revocationsIn(
  { entries }: Pick<CatalogueChanges, "entries">,
  nowMs: number,
): { readonly good: number; readonly writes: readonly CatalogueWrite[] } {
  let good = 0;
  const writes: CatalogueWrite[] = [];
  for (const { kind, key: id, body, version: expectedVersion } of entries) {
    if (kind !== "key" || body === undefined) continue;
    const key = keyFromBody(id, body, expectedVersion);
    if (key !== undefined && !isLive(key, nowMs)) continue;
    if (key !== undefined) good++;
    const revoked = key && keyToBody({ ...key, revokeTimeMs: nowMs });
    writes.push({ kind, key: id, body: revoked, expectedVersion });
  }
  return { good, writes };
}
