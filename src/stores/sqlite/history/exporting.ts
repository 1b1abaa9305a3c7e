import type { Database, Statement } from "better-sqlite3";
import { LEVELS, type Level } from "../../../core/levels.ts";
import type { HistoryRow, HistoryRowPage } from "../../../service/store-history-copying.ts";
import { fits } from "../../shared/checksum.ts";
import { type FoundRow, placeOf, rowPage } from "../../shared/history/copying.ts";
import { changesIn } from "../../shared/packed-changes.ts";
import { toCounterRow } from "./rows.ts";
import {
  COUNTER_COLUMNS,
  counterSum,
  type RawBuckets,
  type RawChange,
  type RawCounter,
  sumOf,
} from "./statements.ts";

/** Reads all rows of a history, page by page: see HistoryExport. What fails its checksum is left out, and said to be. */
export class HistoryRowPages {
  readonly #tables: Readonly<
    Record<HistoryRow["table"], (after: readonly number[], limit: number) => FoundRow[]>
  >;

  constructor(db: Database) {
    type Key = bigint;
    const counters: Statement<[Key, number], RawCounter> = db.prepare(
      `SELECT ${COUNTER_COLUMNS} FROM counters WHERE number > ? ORDER BY number LIMIT ?`,
    );
    const minutes: Statement<[Key, Key, number], RawBuckets & { start_ms: bigint; number: bigint }> =
      db.prepare(
        `SELECT start_ms, number, bucket AS bytes, checksum FROM minutes WHERE (start_ms, number) > (?, ?)
        ORDER BY start_ms, number LIMIT ?`,
      );
    const packed: Statement<
      [Key, Key, Key, number],
      RawBuckets & { level: bigint; period_ms: bigint; number: bigint }
    > = db.prepare(
      `SELECT level, period_ms, number, buckets AS bytes, checksum FROM packed
        WHERE (level, period_ms, number) > (?, ?, ?) ORDER BY level, period_ms, number LIMIT ?`,
    );
    const changes: Statement<[Key, Key, number], RawChange & { number: bigint }> = db.prepare(
      `SELECT number, position, time_ms, change, checksum FROM changes WHERE (number, position) > (?, ?)
        ORDER BY number, position LIMIT ?`,
    );
    const keysOf = (after: readonly number[]) => after.map(BigInt) as [Key, Key, Key];
    this.#tables = {
      counters: (after, limit) =>
        counters.all(keysOf(after)[0], limit).map((raw) => {
          const sound = fits(() => counterSum(raw), raw.checksum);
          const row: HistoryRow | undefined = sound ? { table: "counters", ...toCounterRow(raw) } : undefined;
          return { key: [Number(raw.number)], row, from: 0 };
        }),
      minutes: (after, limit) => {
        const [start, number] = keysOf(after);
        return minutes.all(start, number, limit).map(({ start_ms, number, bytes, checksum }) => {
          const key = [Number(start_ms), Number(number)] as const;
          const sound = fits(() => sumOf(key, bytes), checksum);
          const row = { table: "minutes", start: key[0], number: key[1], buckets: bytes } as const;
          return { key, row: sound ? row : undefined, from: key[0] };
        });
      },
      packed: (after, limit) =>
        packed.all(...keysOf(after), limit).map(({ level, period_ms, number, bytes, checksum }) => {
          const key = [Number(level), Number(period_ms), Number(number)] as const;
          const sound = fits(() => sumOf(key, bytes), checksum) && LEVELS.includes(key[0] as Level);
          const at = { level: key[0] as Level, period: key[1], number: key[2] };
          return { key, row: sound ? { table: "packed", ...at, buckets: bytes } : undefined, from: key[1] };
        }),
      changes: (after, limit) => {
        const [of, behind] = keysOf(after);
        return changes.all(of, behind, limit).map(({ number, position, time_ms, change, checksum }) => {
          const key = [Number(number), Number(position)] as const;
          const time = Number(time_ms);
          if (!fits(() => sumOf([...key, time], change), checksum))
            return { key, row: undefined, from: time };
          const found = changesIn(change, time)[0]!.change;
          return {
            key,
            row: { table: "changes", number: key[0], position: key[1], change: found },
            from: time,
          };
        });
      },
    };
  }

  /** See HistoryExport.rows. */
  page(cursor: string, limit: number): HistoryRowPage {
    const { table, after } = placeOf(cursor);
    return rowPage(cursor, this.#tables[table](after, limit), limit);
  }
}
