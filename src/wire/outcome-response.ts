import { etagOf } from "../core/counter.ts";
import type { Settled } from "../service/writer.ts";
import { highOf, lanesOf, numberSize, WireWriter } from "./writer.ts";

/** The tag of the only field of Increment-, Decrement-, Set- and ResetResponse, and those of Outcome's fields. */
const OUTCOME = 0x0a;
const NAME = 0x0a;
const VALUE = 0x10;
const PREVIOUS = 0x18;
const REVISION = 0x20;
const ETAG = 0x2a;
const TIME = 0x32;
const HEADROOM_UP = 0x38;
const HEADROOM_DOWN = 0x40;
const REPLAYED = 0x48;

/** The tags of google.protobuf.Timestamp's fields. */
const SECONDS = 0x08;
const NANOS = 0x10;

/** What an Outcome takes beside its name and etag: five numbers, lengths, a time, replayed. */
const REST_BYTES_MAX = 5 * 11 + 2 * 3 + 2 + 2 * 11 + 2;

/**
 * The bytes of the IncrementResponse, DecrementResponse, SetResponse or ResetResponse to an operation that was
 * applied. The four are alike: one Outcome.
 *
 * By hand, because protobuf-es takes 10 microseconds for it, a sixth of all that a call costs.
 */
export function writeOutcomeResponse(name: string, { outcomes, c, first }: Settled): Uint8Array {
  const revision = outcomes.revisions[first]!;
  const etag = etagOf(outcomes.uids[c]!, revision, outcomes.epoch);
  const w = new WireWriter(name.length + etag.length + REST_BYTES_MAX);
  w.ascii(NAME, name);
  SCRATCH[0] = outcomes.values[first]!;
  w.number(VALUE, LANES[0]!, LANES[1]!);
  SCRATCH[0] = outcomes.previous[first]!;
  w.number(PREVIOUS, LANES[0]!, LANES[1]!);
  w.number(REVISION, revision | 0, highOf(revision));
  w.ascii(ETAG, etag);
  writeTime(w, outcomes.times[c]!);
  if (outcomes.replayed[c] === 0) {
    SCRATCH[0] = outcomes.headroomUp[c]!;
    w.presentNumber(HEADROOM_UP, LANES[0]!, LANES[1]!);
    SCRATCH[0] = outcomes.headroomDown[c]!;
    w.presentNumber(HEADROOM_DOWN, LANES[0]!, LANES[1]!);
  }
  w.number(REPLAYED, outcomes.replayed[c]!, 0);
  return w.finishInside(OUTCOME);
}

/** @param time  milliseconds since the Unix epoch */
function writeTime(w: WireWriter, time: number): void {
  const seconds = Math.floor(time / 1000);
  const nanos = (time - seconds * 1000) * 1_000_000;
  w.begin(TIME, numberSize(seconds | 0, highOf(seconds)) + numberSize(nanos, 0));
  w.number(SECONDS, seconds | 0, highOf(seconds));
  w.number(NANOS, nanos, 0);
}

/** Halves a BigInt; a number of 2^63 and more is stored as the same 64 bits. */
const SCRATCH = new BigInt64Array(1);
const LANES = lanesOf(SCRATCH);
