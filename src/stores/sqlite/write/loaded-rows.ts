import type { Loaded, Save } from "../../../core/batch.ts";
import type { Row } from "../rows/rows.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows<Facts = Loaded> {
  readonly facts: Facts;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
}

/** The row ids of the counters of a save that was written whole. */
export function idsOf(
  { names }: Pick<Save, "names">,
  { rows }: Pick<LoadedRows, "rows">,
  made: ReadonlyMap<number, Row>,
): (bigint | undefined)[] {
  return names.map((_, index) => (rows[index] ?? made.get(index))?.id);
}
