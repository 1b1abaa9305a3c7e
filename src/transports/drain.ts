import type { Log } from "../telemetry.ts";
import type { Streams } from "./calls/stream.ts";
import type { Health } from "./health.ts";
import type { Drainable } from "./http/engine.ts";
import type { Listener } from "./listener.ts";

/** What is open, and is to close. */
export interface Draining {
  readonly health: Health;
  readonly listeners: readonly Listener[];
  readonly streams: Streams;
  readonly engines: readonly Drainable[];
  readonly log: Log;
}

/**
 * Health says NOT_SERVING, no connection is accepted, those that are there are told to go away, and what comes on them
 * meanwhile is answered.
 *
 * @param graceMs  when to cut what is still there, in milliseconds
 * @returns        once every connection is closed
 */
export async function drain(
  { health, listeners, streams, engines, log }: Draining,
  graceMs: number,
): Promise<void> {
  health.setServing(false);
  // First, for who is told to go away connects anew at once, and would be told so again by a reset.
  const quietMs = Math.min(QUIET_MS, graceMs / 4);
  await Promise.all(listeners.map((listener) => listener.stopAccepting(quietMs)));
  streams.announceDrain();
  for (const engine of engines) engine.announceDrain();
  const closed = Promise.all(
    listeners.map((listener) =>
      listener.close(graceMs, () => {
        const calls = engines.reduce((sum, { inFlight }) => sum + inFlight, 0);
        if (calls > 0) log("doors.drain_forced", { calls });
      }),
    ),
  );
  const lingerMs = Math.min(LAST_CALL_MS, graceMs / 2);
  const leave = () => {
    for (const listener of listeners) listener.leave();
    streams.drain();
    for (const engine of engines) engine.drain(graceMs); // Whose own cut comes after that of the listeners, which tell of it.
  };
  const leaving = setTimeout(() => setImmediate(leave), lingerMs); // When what has come by then was read.
  await closed;
  clearTimeout(leaving);
}

/**
 * When a stop begins, clients do not know of it: what they send on the connections that they have is answered for so
 * long, and told that it is the last. A second is more than most take between two calls that follow each other, and no
 * stop that is waited for.
 */
const LAST_CALL_MS = 1_000;

/** To whom somebody connects all the time closes its port to somebody. */
const QUIET_MS = 2_000;
