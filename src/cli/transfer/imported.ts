import type { JsonObject } from "@bufbuild/protobuf";
import type { Faults } from "../count/faults.ts";
import { counted, figure, perSecond } from "../count/summary.ts";
import type { View } from "../output.ts";

/** What became of the counters that an import read: each is in one of the numbers, or among the faults. */
export class Imported {
  /** Made, because there was none of that name. */
  made = 0;
  /** Set to the value. */
  set = 0;
  /** There already, and left as they were: as was asked, or in a dry run because they have the value. */
  kept = 0;
  /** Imported by a run before, and not again. */
  before = 0;
  /** Of those, not there any more. */
  gone = 0;
  /** Of those, not looked for, as the caller may not read them. */
  unseen = 0;
  /** Not imported, and told why. */
  readonly faults: Faults;

  constructor(faults: Faults) {
    this.faults = faults;
  }

  /** Those of which something came, now or before. */
  get taken(): number {
    return this.made + this.set + this.kept + this.before;
  }

  /** All that were read. */
  get all(): number {
    return this.taken + this.faults.total;
  }
}

/** How a run ended. */
export interface End {
  /** Whether everything was read. */
  readonly complete: boolean;
  readonly dryRun: boolean;
  readonly ms: number;
}

/** The summary in one line. */
export function importedLine(imported: Imported, { complete, dryRun, ms }: End): string {
  const { made, set, kept, before, faults, all } = imported;
  const parts = [
    made > 0 && `${figure(made)} made`,
    set > 0 && `${figure(set)} set`,
    kept > 0 && `${figure(kept)} left as they are`,
    before > 0 && `${figure(before)} imported before${stillThere(imported)}`,
    faults.total > 0 && `${figure(faults.total)} not imported (${reasonsIn(faults)})`,
  ].filter((part) => part !== false);
  const what = `${complete ? "" : "Stopped: "}${counted(all, "counter")}${parts.length > 0 ? ": " : ""}${parts.join(", ")}`;
  const would = dryRun ? "Nothing was changed. An import would come to: " : "";
  return `${would}${what}; ${(ms / 1000).toFixed(1)} s, ${figure(perSecond(all, ms))} counters/s`;
}

function stillThere({ gone, unseen }: Imported): string {
  if (gone > 0) return `, of which ${figure(gone)} not there now`;
  return unseen > 0 ? " (if still there takes the permission read)" : "";
}

function reasonsIn(faults: Faults): string {
  return Object.entries(faults.byReason())
    .map(([reason, counters]) => `${figure(counters)} ${reason}`)
    .join(", ");
}

/** The summary for scripts. Its numbers are counts of counters, far below 2^53, and so JSON numbers. */
export function importedView(imported: Imported, { complete, dryRun, ms }: End): View {
  const { made, set, kept, before, gone, unseen, faults, all } = imported;
  const json: JsonObject = {
    ...{ complete, dryRun, counters: all, made, set, kept, before, gone, unseen },
    notImported: { ...faults.byReason() },
    seconds: Math.round(ms) / 1000,
  };
  return { json, value: `${made + set}`, cells: {} };
}
