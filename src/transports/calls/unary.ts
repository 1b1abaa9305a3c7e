import { OperationSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { Calendar } from "../../core/window.ts";
import { Reads } from "../../service/reads.ts";
import { SerialReads } from "../../service/serial-reads.ts";
import type { Store } from "../../service/store.ts";
import type { Writer } from "../../service/writer.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { shouldRateLimit } from "../envoy/should-rate-limit.ts";
import type { AdminCalls } from "./admin/admin-call.ts";
import { askingCalls } from "./admin/asking.ts";
import { bindingCalls } from "./admin/bindings.ts";
import { keyCalls } from "./admin/keys.ts";
import { principalCalls } from "./admin/principals.ts";
import { getServerInfo, type ServerInfo } from "./admin/server-info.ts";
import { admitted, type Kind, openAdmissions, unlessLapsed } from "./admitted.ts";
import { type Authorise, allowAll } from "./authorise.ts";
import { batchApply } from "./batch.ts";
import type { UnaryCall } from "./call.ts";
import { CREATE_COUNTER, getCounter } from "./counters.ts";
import { COUNTING } from "./counting.ts";
import { listChanges, queryHistory } from "./history.ts";
import { GIVE_BACK_LIMIT, takeLimit, takeLimits } from "./limits.ts";
import { batchGetCounters, listCounters, sumCounters, topCounters } from "./many-counters.ts";
import { deletePolicy, getPolicy, listPolicies, policiesOf, setPolicy } from "./policies.ts";
import { WHOLE_API } from "./services.ts";
import { DELETE_COUNTER, UPDATE_COUNTER } from "./settings.ts";
import { warmUp } from "./shape.ts";

/** How large requests may be. */
export interface MessageLimits {
  /** The largest request of a unary call, in bytes of the encoded message. */
  readonly unaryBytesMax: number;
  /** The largest request of BatchApply and BatchGetCounters, the same. */
  readonly batchBytesMax: number;
}

/** The same, and how long a call may have to wait. */
export interface CallLimits extends MessageLimits {
  /** How long a call may have to wait for its answer, in milliseconds; beyond it, calls are refused. */
  readonly queueWaitMaxMs: number;
}

/** The limits of a server that is told none. */
export const DEFAULT_CALL_LIMITS: CallLimits = {
  unaryBytesMax: 64 * 1024,
  batchBytesMax: 4 * 2 ** 20,
  queueWaitMaxMs: 250,
};

/**
 * Every method of the API, and Envoy's, ready to be called: what takes long on first use has been done.
 *
 * All doors share them. A door that has messages instead of bytes (JSON, say) encodes and decodes: two
 * microseconds, for which there is one path to test.
 *
 * @param calendar    whose days and clocks steps of history go by, and which zones a policy may name
 * @param onOverload  told which calls are refused because they would wait for too long, when it comes to that
 * @param authorise   who may call, and do what
 * @param admin       principals and keys, where there are any; and what the process is
 */
export function openCalls(
  store: Store,
  writer: Writer,
  clock: Clock,
  calendar: Calendar,
  { unaryBytesMax, batchBytesMax, queueWaitMaxMs }: CallLimits = DEFAULT_CALL_LIMITS,
  onOverload: (calls: Kind) => void = () => {},
  authorise: Authorise = allowAll,
  { serverInfo, ...admin }: AdminOptions = {
    ...{ administration: undefined, log: () => {} },
    serverInfo: async () => nothingKnown(store),
  },
  metrics: Metrics = new Metrics(),
): readonly UnaryCall[] {
  const {
    changes,
    batches,
    reads,
    pages,
    scans,
    histories,
    admin: administrating,
  } = openAdmissions(clock, queueWaitMaxMs, writer, onOverload);
  const past = { store, clock, calendar };
  const policies = policiesOf(store, clock, calendar);
  const adminCalls = { ...admin, requestBytesMax: unaryBytesMax };
  const many = {
    ...{ store, clock },
    pages: serialReads(clock, metrics, "pages"),
    scans: serialReads(clock, metrics, "scans"),
  };
  warmUp([...WHOLE_API.flatMap(({ methods }) => methods.map(({ input }) => input)), OperationSchema]);
  return [
    admitted(CREATE_COUNTER(writer, unaryBytesMax), changes),
    admitted(getCounter(new Reads(store, clock), past, unaryBytesMax), reads),
    admitted(batchGetCounters(many, batchBytesMax), pages),
    admitted(listCounters(many, unaryBytesMax), pages),
    admitted(topCounters(many, unaryBytesMax), scans),
    admitted(sumCounters(many, unaryBytesMax), scans),
    admitted(UPDATE_COUNTER(writer, unaryBytesMax), changes),
    admitted(DELETE_COUNTER(writer, unaryBytesMax), changes),
    ...COUNTING.map((method) => admitted(method(writer, unaryBytesMax), changes)),
    admitted(queryHistory(past, unaryBytesMax), histories),
    admitted(listChanges(past, unaryBytesMax), histories),
    admitted(takeLimit(writer, unaryBytesMax), changes),
    admitted(takeLimits(writer, unaryBytesMax), changes),
    admitted(GIVE_BACK_LIMIT(writer, unaryBytesMax), changes),
    admitted(shouldRateLimit(writer, unaryBytesMax), changes),
    admitted(setPolicy(policies, unaryBytesMax), changes),
    admitted(deletePolicy(policies, unaryBytesMax), changes),
    admitted(getPolicy(policies, many.scans, unaryBytesMax), scans),
    admitted(listPolicies(policies, unaryBytesMax), pages),
    ...[principalCalls, keyCalls, bindingCalls, askingCalls].flatMap((calls) =>
      calls(adminCalls).map((method) => admitted(method, administrating)),
    ),
    admitted(getServerInfo(serverInfo, unaryBytesMax), administrating),
    admitted(batchApply(writer, batchBytesMax), batches, ({ length }) => Math.max(1, length)),
  ].map((call) => ({ ...unlessLapsed(call), authorise }));
}

/** What AdminService is about. */
export interface AdminOptions extends Omit<AdminCalls, "requestBytesMax"> {
  /** The process as it is now. */
  readonly serverInfo: () => Promise<ServerInfo>;
}

/** The process of a server that was told nothing of it. */
export function nothingKnown({ traits }: Pick<Store, "traits">): ServerInfo {
  const lastMinute = { seconds: 0, calls: 0, refusedCalls: 0, operations: 0, commits: 0 };
  const state = { instance: "", size: undefined, lastMinute, threads: [], warnings: [] };
  return { version: "", startTimeMs: 0, auth: "off", store: traits, limits: {}, warnings: [], state };
}

function serialReads(clock: Clock, metrics: Metrics, kind: "pages" | "scans"): SerialReads {
  const place = metrics.placeOf("readsWaiting", { kind });
  return new SerialReads(clock, WAITING_MAX, (waiting) => {
    metrics.numbers[place] = waiting;
  });
}

/** Reads of many counters that may wait, of pages and of scans each: more is a caller's mistake, and memory. */
const WAITING_MAX = 1_000;
