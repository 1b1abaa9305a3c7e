/**
 * The thread that looks at every counter, on a connection of its own that cannot write. A million take some tenths
 * of a second, which is why other reads do not wait for this thread, and why it gives way to the others.
 */
import { constants, setPriority } from "node:os";
import { TallyError } from "../../core/errors.ts";
import type { Order, Selection } from "../../core/selection.ts";
import { asOfOneMoment, openReadOnly } from "./reading.ts";
import { RowReader } from "./rows.ts";
import { Scanner } from "./scans.ts";
import { serveThread } from "./thread.ts";

export interface ScanData {
  readonly path: string;
  /** One number, shared: not 0 once the store is closing. */
  readonly closing: Int32Array;
}

export interface TopRequest {
  readonly selection: Selection;
  readonly n: number;
  readonly order: Order;
}

serveThread<ScanData>(({ path, closing }) => {
  giveWay();
  const db = openReadOnly(path, 16_384);
  const scanner = new Scanner(db, new RowReader(db));
  const goOn = () => {
    if (Atomics.load(closing, 0) !== 0) throw new TallyError("STORE_UNAVAILABLE", "the store is closing");
  };
  return {
    opened: undefined,
    handlers: {
      sum: asOfOneMoment(db, (selection: Selection) => scanner.sum(selection, goOn)),
      top: asOfOneMoment(db, ({ selection, n, order }: TopRequest) => scanner.top(selection, n, order, goOn)),
      close: () => void db.close(),
    },
  };
});

/** On Linux a priority belongs to a thread; elsewhere this would be the whole process. */
function giveWay(): void {
  if (process.platform === "linux") setPriority(constants.priority.PRIORITY_LOW);
}
