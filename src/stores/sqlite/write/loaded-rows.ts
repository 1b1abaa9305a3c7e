import type { Loaded } from "../../../core/batch.ts";
import type { Row } from "../rows/rows.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows<Facts = Loaded> {
  readonly facts: Facts;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
}
