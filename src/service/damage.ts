import { CORRUPT } from "../core/batch.ts";
import { type Refusal, TallyError } from "../core/errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { fronted } from "./fronted.ts";
import type { Store } from "./store.ts";

/** Where an answer met damage. */
export interface DamageMet {
  /** The counters concerned, or some of them, as far as they are known. */
  readonly names: readonly string[];
  /** What is damaged, as far as that is known: see DamagedPart. */
  readonly parts: readonly string[];
}

/** The same store, which tells when an answer met a damaged row: its caller is refused, and nobody else would hear of it. */
export function tellingOfDamage(store: Store, log: (met: DamageMet) => void, metrics: Metrics): Store {
  const count = metrics.placeOf("damaged", {});
  const tell = (met: DamageMet) => {
    metrics.numbers[count]!++;
    log(met);
  };
  const looking = async <Found>(
    asked: Promise<Found>,
    damagedIn: (found: Found) => DamageMet | undefined,
  ): Promise<Found> => {
    try {
      const found = await asked;
      const met = damagedIn(found);
      if (met !== undefined) tell(met);
      return found;
    } catch (error) {
      if (error instanceof TallyError && error.code === "ROW_CORRUPT")
        tell({ names: [], parts: error.part === undefined ? [] : [error.part] });
      throw error;
    }
  };
  const named = ({ corruptNames }: { corruptNames: readonly string[] }) =>
    corruptNames.length > 0 ? countersMet(corruptNames) : undefined;
  return fronted(store, {
    commit: (batch) =>
      looking(store.commit(batch), ({ refusals, callRefusals }) => {
        if (refusals.size + callRefusals.size === 0) return undefined; // As nearly always.
        return metIn([...refusals.values(), ...callRefusals.values()]);
      }),
    get: (names) =>
      looking(store.get(names), (found) => {
        const at = found.indexOf(CORRUPT);
        return at === -1 ? undefined : countersMet([names[at]!]);
      }),
    list: (...args) => looking(store.list(...args), named),
    top: (...args) => looking(store.top(...args), named),
    sum: (...args) => looking(store.sum(...args), named),
  });
}

function countersMet(names: readonly string[]): DamageMet {
  return { names: names.slice(0, NAMES_MAX), parts: ["counter"] };
}

/** What the refusals of a commit tell of damage; undefined where none does. */
function metIn(refusals: readonly Refusal[]): DamageMet | undefined {
  const damaged = refusals.filter(({ code }) => code === "ROW_CORRUPT");
  if (damaged.length === 0) return undefined;
  const names = new Set(damaged.flatMap(({ name = [] }) => name));
  const parts = new Set(damaged.flatMap(({ part = [] }) => part));
  return { names: [...names].slice(0, NAMES_MAX), parts: [...parts] };
}

const NAMES_MAX = 10;
