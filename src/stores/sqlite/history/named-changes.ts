import { type Change, ChangeColumns } from "../../../core/change.ts";
import { fits } from "../../shared/checksum.ts";
import type { StoredNamedChange } from "../../shared/history/rows.ts";
import { changesIn, packChanges } from "../../shared/packed-changes.ts";
import { type Statements, sumOf } from "./statements.ts";

/**
 * What somebody did to counters by name, and what time did, each a row: see HistoryRows. One that fails its checksum is not
 * told. The caller has begun to write.
 */
export class NamedChangeRows {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  add(number: number, position: number, change: Change): void {
    const columns = new ChangeColumns(1);
    columns.append(0, change);
    const packed = packChanges(columns, [0n], change.time);
    const checksum = sumOf([number, position, change.time], packed);
    this.#statements.addChange.run(BigInt(number), BigInt(position), BigInt(change.time), packed, checksum);
  }

  of(numbers: readonly number[], before: number, limit: number): StoredNamedChange[] {
    const end = BigInt(Math.min(before, Number.MAX_SAFE_INTEGER));
    const found: StoredNamedChange[] = [];
    for (const number of numbers) {
      for (const row of this.#statements.changes.all(BigInt(number), end, BigInt(limit))) {
        const [position, time] = [Number(row.position), Number(row.time_ms)];
        if (!fits(() => sumOf([number, position, time], row.change), row.checksum)) continue;
        found.push({ number, position, change: changesIn(row.change, time)[0]!.change });
      }
    }
    return found.sort((a, b) => b.position - a.position).slice(0, limit);
  }

  remove(number: number): void {
    this.#statements.removeChanges.run(BigInt(number));
  }

  oldest(): number | undefined {
    const position = this.#statements.oldestChange.get();
    return position === undefined || position === null ? undefined : Number(position);
  }

  drop(before: number): void {
    this.#statements.dropChanges.run(BigInt(before));
  }
}
