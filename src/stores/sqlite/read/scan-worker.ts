/**
 * The thread that looks at every counter, on a connection of its own that cannot write. A million take some tenths
 * of a second, which is why other reads do not wait for this thread, and why it gives way to the others.
 */
import { constants, setPriority } from "node:os";
import { TallyError } from "../../../core/errors.ts";
import type { AsOf } from "../../../core/present.ts";
import type { Order, Selection } from "../../../core/selection.ts";
import { ZoneCalendar } from "../../shared/calendar.ts";
import { RowReader } from "../rows/row-reader.ts";
import { serveThread } from "../thread.ts";
import { PolicyCounts } from "./policy-progress.ts";
import { asOfOneMoment, openReadOnly } from "./reading.ts";
import { Scanner } from "./scans.ts";

/** What the thread is started with. */
export interface ScanData {
  readonly path: string;
  /** One number, shared: not 0 once the store is closing. */
  readonly closing: Int32Array;
}

/** A request, and one number, shared: not 0 once nobody waits for the answer. */
export type Stoppable<Request> = Request & { readonly stopped: Int32Array };

/** A sum: see Store.sum. */
export interface SumRequest extends AsOf {
  readonly selection: Selection;
}

/** A ranking: see Store.top. */
export interface TopRequest extends SumRequest {
  readonly n: number;
  readonly order: Order;
}

/** See PolicyReads.progress. */
export interface ProgressRequest {
  readonly prefix: string;
}

serveThread<ScanData>(({ path, closing }) => {
  giveWay();
  const db = openReadOnly(path, 16_384);
  const scanner = new Scanner(db, new RowReader(db), new ZoneCalendar(() => {})); // As in read-worker.ts.
  const counts = new PolicyCounts(db);
  const goOn = (stopped: Int32Array) => () => {
    if (Atomics.load(closing, 0) !== 0) throw new TallyError("STORE_UNAVAILABLE", "the store is closing");
    if (Atomics.load(stopped, 0) !== 0) throw new TallyError("CALL_CANCELLED", "nobody waits for the answer");
  };
  return {
    opened: undefined,
    handlers: {
      sum: asOfOneMoment(db, ({ selection, stopped, ...asOf }: Stoppable<SumRequest>) =>
        scanner.sum(selection, asOf, goOn(stopped)),
      ),
      top: asOfOneMoment(db, ({ selection, n, order, stopped, ...asOf }: Stoppable<TopRequest>) =>
        scanner.top(selection, n, order, asOf, goOn(stopped)),
      ),
      policyProgress: asOfOneMoment(db, ({ prefix, stopped }: Stoppable<ProgressRequest>) =>
        counts.progress(prefix, goOn(stopped)),
      ),
      close: () => void db.close(),
    },
  };
});

/** On Linux a priority belongs to a thread; elsewhere this would be the whole process. */
function giveWay(): void {
  if (process.platform === "linux") setPriority(constants.priority.PRIORITY_LOW);
}
