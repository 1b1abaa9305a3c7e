import { CORRUPT } from "../core/batch.ts";
import type { Outcomes } from "../core/columns.ts";
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

/** Who tells when an answer met a damaged row: its caller is refused, and nobody else would hear of it. */
export interface DamageWatch {
  /** The same store, of whose reads is told. */
  readonly store: Store;
  readonly commits: {
    /** One in which something was refused. */
    refused(outcomes: Pick<Outcomes, "refusals" | "callRefusals">): void;
    failed(error: unknown): void;
  };
}

/** Watch what the answers of a store meet. */
export function watchDamage(store: Store, log: (met: DamageMet) => void, metrics: Metrics): DamageWatch {
  const count = metrics.placeOf("damaged", {});
  const tell = (met: DamageMet | undefined) => {
    if (met === undefined) return;
    metrics.numbers[count]!++;
    log(met);
  };
  const failed = (error: unknown) => {
    if (error instanceof TallyError && error.code === "ROW_CORRUPT")
      tell({ names: [], parts: error.part === undefined ? [] : [error.part] });
  };
  const looking = async <Found>(
    asked: Promise<Found>,
    damagedIn: (found: Found) => DamageMet | undefined,
  ): Promise<Found> => {
    try {
      const found = await asked;
      tell(damagedIn(found));
      return found;
    } catch (error) {
      failed(error);
      throw error;
    }
  };
  const named = ({ corruptNames }: { corruptNames: readonly string[] }) =>
    corruptNames.length > 0 ? countersMet(corruptNames) : undefined;
  return {
    store: fronted(store, {
      get: (names) =>
        looking(store.get(names), (found) => {
          const at = found.indexOf(CORRUPT);
          return at === -1 ? undefined : countersMet([names[at]!]);
        }),
      list: (...args) => looking(store.list(...args), named),
      top: (...args) => looking(store.top(...args), named),
      sum: (...args) => looking(store.sum(...args), named),
    }),
    commits: {
      refused: ({ refusals, callRefusals }) => tell(metIn([...refusals.values(), ...callRefusals.values()])),
      failed,
    },
  };
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
