/** What a thread is lent with. */
import type { MessagePort } from "node:worker_threads";

export interface Loan {
  /** Its `parentPort`. */
  readonly port: MessagePort;
  /** Its `workerData`. */
  readonly data: unknown;
}

/** Sent to the thread when it is over; the thread says the same once nothing of it is left. */
export const RETURNED = "returned";
