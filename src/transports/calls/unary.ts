import { CounterService, OperationSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../service/store.ts";
import type { Writer } from "../../service/writer.ts";
import { batchApply } from "./batch.ts";
import type { UnaryCall } from "./call.ts";
import { CREATE_COUNTER, getCounter } from "./counters.ts";
import { COUNTING } from "./counting.ts";
import { batchGetCounters, listCounters, sumCounters, topCounters } from "./many-counters.ts";
import { Reads } from "./reads.ts";
import { DELETE_COUNTER, UPDATE_COUNTER } from "./settings.ts";
import { warmUp } from "./shape.ts";
import { Turns } from "./turns.ts";

export interface MessageLimits {
  /** The largest request of a unary call, in bytes of the encoded message. */
  readonly unaryBytesMax: number;
  /** The largest request of BatchApply and BatchGetCounters, the same. */
  readonly batchBytesMax: number;
}

export const DEFAULT_MESSAGE_LIMITS: MessageLimits = { unaryBytesMax: 64 * 1024, batchBytesMax: 4 * 2 ** 20 };

/**
 * Every method of CounterService, ready to be called: what takes long on first use has been done.
 *
 * All doors share them. A door that has messages instead of bytes (JSON, say) encodes and decodes: two
 * microseconds, for which there is one path to test.
 */
export function openCalls(
  store: Store,
  writer: Writer,
  clock: Clock,
  { unaryBytesMax, batchBytesMax }: MessageLimits = DEFAULT_MESSAGE_LIMITS,
): readonly UnaryCall[] {
  const many = { store, pages: new Turns(clock, WAITING_MAX), scans: new Turns(clock, WAITING_MAX) };
  warmUp([...CounterService.methods.map(({ input }) => input), OperationSchema]);
  return [
    CREATE_COUNTER(writer, unaryBytesMax),
    getCounter(new Reads(store, clock), unaryBytesMax),
    batchGetCounters(many, batchBytesMax),
    listCounters(many, unaryBytesMax),
    topCounters(many, unaryBytesMax),
    sumCounters(many, unaryBytesMax),
    UPDATE_COUNTER(writer, unaryBytesMax),
    DELETE_COUNTER(writer, unaryBytesMax),
    ...COUNTING.map((method) => method(writer, unaryBytesMax)),
    batchApply(writer, batchBytesMax),
  ];
}

/** Reads of many counters that may wait, of pages and of scans each: more is a caller's mistake, and memory. */
const WAITING_MAX = 1_000;
