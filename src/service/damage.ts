import { CORRUPT } from "../core/batch.ts";
import { TallyError } from "../core/errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { fronted } from "./fronted.ts";
import type { Store } from "./store.ts";

/**
 * The same store, which tells when an answer met a damaged row: its caller is refused, and nobody else would hear of it.
 *
 * @param log  the names of counters concerned, as far as they are known
 */
export function tellingOfDamage(
  store: Store,
  log: (names: readonly string[]) => void,
  metrics: Metrics,
): Store {
  const met = metrics.placeOf("damaged", {});
  const tell = (names: readonly string[]) => {
    metrics.numbers[met]!++;
    log(names);
  };
  const looking = async <Found>(
    asked: Promise<Found>,
    damagedIn: (found: Found) => readonly string[] | undefined,
  ): Promise<Found> => {
    try {
      const found = await asked;
      const names = damagedIn(found);
      if (names !== undefined) tell(names);
      return found;
    } catch (error) {
      if (error instanceof TallyError && error.code === "ROW_CORRUPT") tell([]);
      throw error;
    }
  };
  const named = ({ corruptNames }: { corruptNames: readonly string[] }) =>
    corruptNames.length > 0 ? corruptNames.slice(0, NAMES_MAX) : undefined;
  return fronted(store, {
    commit: (batch) =>
      looking(store.commit(batch), ({ refusals, callRefusals }) => {
        if (refusals.size + callRefusals.size === 0) return undefined; // As nearly always.
        const isDamaged = [refusals, callRefusals].some((each) =>
          [...each.values()].some(({ code }) => code === "ROW_CORRUPT"),
        );
        return isDamaged ? [] : undefined; // The names have gone to another thread with the batch.
      }),
    get: (names) =>
      looking(store.get(names), (found) => {
        const at = found.indexOf(CORRUPT);
        return at === -1 ? undefined : [names[at]!];
      }),
    list: (...args) => looking(store.list(...args), named),
    top: (...args) => looking(store.top(...args), named),
    sum: (...args) => looking(store.sum(...args), named),
  });
}

const NAMES_MAX = 10;
