import type { ImportedCopy, ImportState } from "../../service/store-copying.ts";

/** What a store has of its own. */
export interface Kept {
  readonly counters: boolean;
  readonly changes: boolean;
  readonly requestIds: boolean;
  readonly catalogue: boolean;
  readonly history: boolean;
}

/** How far a store is, by what it has. */
export function importStateOf(kept: Kept, copy: ImportedCopy | undefined): ImportState {
  const { counters, changes, requestIds, catalogue, history } = kept;
  return { empty: !counters && !changes && !requestIds && !catalogue && !history, copy };
}

/** @throws TypeError  when there is anything that no copy has brought */
export function assertTakesCopy({ empty, copy }: ImportState): void {
  if (!empty && copy === undefined) throw new TypeError("expected a store that is empty, or has a copy only");
}
