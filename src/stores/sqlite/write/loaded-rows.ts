import type { Loaded } from "../../../core/batch.ts";
import { Verb } from "../../../core/op.ts";
import type { Write } from "../../shared/one-by-one.ts";
import type { Row } from "../rows/rows.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows<Facts = Loaded> {
  readonly facts: Facts;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
}

/** Whether a write is a deletion. */
export function deletes({ op }: Pick<Write, "op">): boolean {
  return op.verb === Verb.DELETE;
}
