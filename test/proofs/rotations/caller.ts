import { v7 as uuidv7 } from "uuid";
import { pause } from "../crash/server-process.ts";
import { type OpenDoor, overStream, type Way } from "./doors.ts";
import { LATE_MAX_MS, type Ledger } from "./ledger.ts";

/** Calls one after another, by one door and with one credential, until it is stopped; never twice for one answer. */
export class Caller {
  /** What it adds to, which nobody else does. */
  readonly counter: string;
  /** How many of its calls were answered, and how many were not. */
  answered = 0;
  failed = 0;
  /** How many of these were begun when its credential was to be let in no more. */
  triedLate = 0;
  /** Whether its calls add to the counter. */
  readonly counts: boolean;
  readonly #way: Way;
  readonly #ledger: Ledger;
  /** "gRPC, instance 2", with the kind of its credential. */
  readonly who: string;
  readonly #done: Promise<void>;
  readonly #first = Promise.withResolvers<void>();
  #stopped = false;

  constructor(who: string, counter: string, open: OpenDoor, way: Way, ledger: Ledger) {
    this.counter = counter;
    this.who = who;
    this.counts = open !== overStream;
    this.#way = way;
    this.#ledger = ledger;
    this.#done = this.#work(open);
  }

  /** Resolves when it was answered, or not, for the first time. */
  get begun(): Promise<void> {
    return this.#first.promise;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #work(open: OpenDoor): Promise<void> {
    const door = open(this.#way);
    const { credential } = this.#way;
    while (!this.#stopped) {
      const beganMs = Date.now();
      try {
        await door.call(this.counter, uuidv7());
        this.answered++;
        this.#ledger.answered(credential, this.who, beganMs);
        await pause(PAUSE_MS);
      } catch (error) {
        this.failed++;
        if (beganMs > credential.endedAtMs + LATE_MAX_MS) this.triedLate++;
        this.#ledger.failed(credential, this.who, (error as Error).message);
        await pause(REFUSED_PAUSE_MS);
      } finally {
        this.#first.resolve();
      }
    }
    door.close();
  }
}

/** All callers together are to leave the machine some of its time. */
const PAUSE_MS = 50;
const REFUSED_PAUSE_MS = 200;
