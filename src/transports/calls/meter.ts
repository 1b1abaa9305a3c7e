import type { DescMethod } from "@bufbuild/protobuf";
import type { Clock } from "../../core/clock.ts";
import { ERROR_CODES } from "../../core/errors.ts";
import { CallParts } from "../../telemetry/call-parts.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { RPCS } from "../../telemetry/rpcs.ts";
import { CODES, DOORS, type Door } from "../../telemetry/series.ts";
import type { Tracing } from "../../telemetry/tracing.ts";
import { STATUS } from "../status.ts";
import type { HeaderOf, Permit } from "./authorise.ts";
import type { Refused } from "./call.ts";
import type { Caller, CallLog } from "./call-log.ts";

/**
 * Measures every call, at whichever door, and has those logged that are to be: each is told of when its headers are there, and
 * once more, exactly once, when it has ended, however it does. Doors that answer in one go have `measured` do both.
 */
export class CallMeter {
  readonly #metrics: Metrics;
  readonly #numbers: Float64Array;
  readonly #clock: Clock;
  readonly #callLog: CallLog | undefined;
  readonly #tracing: Tracing | undefined;
  readonly #inFlight: number;
  readonly #places = new Map<string, Places>();
  readonly #reasons: ReadonlyMap<string, number>;

  /**
   * @param callLog  where calls are logged; undefined: nowhere
   * @param tracing  where they are traced; likewise
   */
  constructor(metrics: Metrics, clock: Clock, callLog: CallLog | undefined, tracing?: Tracing) {
    this.#callLog = callLog;
    this.#tracing = tracing;
    this.#metrics = metrics;
    this.#numbers = metrics.numbers;
    this.#clock = clock;
    this.#inFlight = metrics.placeOf("callsInFlight", {});
    for (const rpc of RPCS) {
      const calls = new Map(
        DOORS.map((door) => [door, metrics.placeOf("calls", { rpc, door, code: CODES[0] })]),
      );
      this.#places.set(rpc, { calls, seconds: metrics.placeOf("callSeconds", { rpc }) });
    }
    this.#reasons = new Map(ERROR_CODES.map((reason) => [reason, metrics.placeOf("refusals", { reason })]));
  }

  /** A call has begun. @returns  when, for `ended` */
  began(): number {
    this.#numbers[this.#inFlight]!++;
    return this.#clock.monotonic();
  }

  /**
   * What is to be noted of it as it goes on, by its headers: asked once, before anybody looks at who calls.
   *
   * @param since  when it began, as `began` has it
   * @returns      for its caller, and its context; undefined, as for most: nothing
   */
  follow(method: DescMethod, door: Door, headerOf: HeaderOf, since: number): CallParts | undefined {
    const span = this.#tracing?.begin(method, door, headerOf, since);
    return span !== undefined || this.#callLog?.isOn ? new CallParts(span) : undefined;
  }

  /** It has ended. @param refused  why it was not answered; undefined: it was */
  ended(method: DescMethod, door: Door, since: number, refused: Refused | undefined, caller: Caller): void {
    this.#numbers[this.#inFlight]!--;
    const endedMs = this.#clock.monotonic();
    this.#count(method, door, (endedMs - since) / 1_000, endedMs, refused, caller);
  }

  /** One was refused by its headers alone, as soon as they were there. */
  refusedAhead(method: DescMethod, door: Door, refused: Refused, caller: Caller): void {
    const nowMs = this.#clock.monotonic();
    const { headerOf } = caller;
    const parts = this.follow(method, door, headerOf, nowMs);
    this.#count(method, door, 0, nowMs, refused, parts === undefined ? caller : { headerOf, parts });
  }

  /**
   * Have a call answered, and measure it. What is thrown is a defect, and is counted as one.
   *
   * @param method    what is called, as far as its headers tell
   * @param headerOf  these headers
   * @param answer    says how it has ended, and what was called as it is known by then; given what is to be noted of it
   */
  async measured(
    method: DescMethod,
    door: Door,
    headerOf: HeaderOf,
    answer: (parts: CallParts | undefined) => Promise<Ended>,
  ): Promise<void> {
    const since = this.began();
    let ended: Ended = { method, refused: { code: "INTERNAL_ERROR" } };
    let parts: CallParts | undefined;
    try {
      parts = this.follow(method, door, headerOf, since);
      ended = await answer(parts);
    } finally {
      this.ended(ended.method, door, since, ended.refused, { headerOf, access: ended.access, parts });
    }
  }

  #count(
    method: DescMethod,
    door: Door,
    seconds: number,
    endedMs: number,
    refused: Refused | undefined,
    caller: Caller,
  ): void {
    const { calls, seconds: first } = this.#places.get(method.name) ?? this.#places.get("other")!;
    const code = codeOf(refused);
    this.#numbers[calls.get(door)! + code]!++;
    this.#metrics.observe("callSeconds", first, seconds);
    if (refused !== undefined) this.#numbers[this.#reasons.get(refused.code)!]!++;
    const { parts } = caller;
    parts?.span?.end({ method, code, reason: refused?.code, endedMs, parts });
    if (this.#callLog?.isOn) this.#callLog.add({ method, door, code, seconds, endedMs, refused, caller });
  }
}

/** How a call has ended. */
export interface Ended {
  readonly method: DescMethod;
  readonly refused: Refused | undefined;
  /** What its caller may do, who was let in. */
  readonly access?: Permit["access"];
}

/** Where the numbers of a method stand: of its calls the first code of each door. */
interface Places {
  readonly calls: ReadonlyMap<Door, number>;
  readonly seconds: number;
}

function codeOf(refused: Refused | undefined): number {
  return refused === undefined ? 0 : (refused.status?.code ?? STATUS[refused.code].grpc);
}
