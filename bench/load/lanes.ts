import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { Histogram } from "../../src/cli/bench/histogram.ts";

/** What to send. */
export type Source = {
  path: string;
  /** Operations that one OK answer acknowledges. */
  opsPerCall: number;
  /** The framed request for this lane's next call. The lane has no other call in flight, so it may reuse one buffer. */
  next(lane: number): Buffer;
  /** Look at the first answer of each lane, and throw if it is not right; the others are only counted. */
  inspect?(answer: Buffer): void;
};

export type LaneOptions = {
  port: number;
  connections: number;
  /** Calls in flight on each connection. */
  streams: number;
  /** No more calls than these a second, of all connections together. Default: each answer starts the next call. */
  callsPerSecond?: number | undefined;
  /** Of each call: who calls, say. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Sent and counted as acknowledged, but not measured. */
  warmupMs: number;
  seconds: number;
};

export type LaneResult = {
  /** Operations answered OK, warm-up and drain included: what the counters must show. */
  acknowledged: number;
  /** Operations answered OK within the measured seconds, and in how many calls. */
  ops: number;
  calls: number;
  latency: Histogram;
  /** CPU that this generator itself used in the measured seconds, in milliseconds. */
  generatorCpuMs: number;
};

/** One call after another on one connection. */
type Lane = {
  lanes: Lanes;
  index: number;
  session: ClientHttp2Session;
  startedMs: number;
  /** When its next call may be sent. */
  dueMs: number;
  status: string | undefined;
  answer: Buffer[] | undefined;
};
type LaneStream = ClientHttp2Stream & { lane: Lane };

/**
 * Keep `connections * streams` calls in flight: each answer starts the lane's next call.
 *
 * What a call costs here is taken from the server on a small machine, so handlers are shared (the lane hangs
 * on the stream), headers are one raw array, and answers are not decoded: 30 microseconds a call instead of
 * the 45 of the usual way to write it. The 'end' event is used because 'close' comes later and costs more.
 *
 * @throws Error when any call ends with another status than OK, or does not end.
 */
export class Lanes {
  readonly #source: Source;
  readonly #options: LaneOptions;
  readonly #headers: string[];
  readonly #sessions: ClientHttp2Session[] = [];
  readonly #latency = new Histogram();
  readonly #ended = Promise.withResolvers<void>();
  #measureFromMs = 0;
  #measureToMs = 0;
  #calls = 0;
  #callsMeasured = 0;
  #busy = 0;

  constructor(source: Source, options: LaneOptions) {
    this.#source = source;
    this.#options = options;
    this.#headers = [":method", "POST", ":scheme", "http", ":path", source.path];
    this.#headers.push(
      ":authority",
      `127.0.0.1:${options.port}`,
      "content-type",
      "application/grpc",
      "te",
      "trailers",
      ...Object.entries(options.headers ?? {}).flat(),
    );
  }

  async connect(): Promise<void> {
    for (let n = 0; n < this.#options.connections; n++) {
      const session = connect(`http://127.0.0.1:${this.#options.port}`, {
        settings: { initialWindowSize: 1 << 20 },
      });
      session.on("error", this.#ended.reject);
      await new Promise((resolve) => session.once("connect", resolve));
      session.setLocalWindowSize(1 << 24); // Answers of large batches must not wait for window updates.
      this.#sessions.push(session);
    }
  }

  async run(): Promise<LaneResult> {
    const { warmupMs, seconds, streams } = this.#options;
    const dueMs = performance.now();
    this.#measureFromMs = dueMs + warmupMs;
    this.#measureToMs = this.#measureFromMs + seconds * 1000;
    for (let index = 0; index < this.#sessions.length * streams; index++) {
      const session = this.#sessions[index % this.#sessions.length]!;
      const answer = this.#source.inspect ? [] : undefined;
      this.#busy++;
      this.#call({ lanes: this, index, session, startedMs: 0, dueMs, status: undefined, answer });
    }
    await new Promise((resolve) => setTimeout(resolve, warmupMs));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const cpu = process.cpuUsage(before);

    const late = setTimeout(
      () => this.#ended.reject(new Error(`${this.#busy} calls have no answer`)),
      30_000,
    );
    await this.#ended.promise;
    clearTimeout(late);
    for (const session of this.#sessions) session.close();
    return {
      acknowledged: this.#calls * this.#source.opsPerCall,
      ops: this.#callsMeasured * this.#source.opsPerCall,
      calls: this.#callsMeasured,
      latency: this.#latency,
      generatorCpuMs: (cpu.user + cpu.system) / 1000,
    };
  }

  #call(lane: Lane): void {
    const stream = lane.session.request(this.#headers, { endStream: false }) as LaneStream;
    stream.lane = lane;
    lane.status = undefined;
    stream.on("response", onHeaders);
    stream.on("trailers", onHeaders);
    stream.on("end", onEnd);
    stream.on("error", this.#ended.reject);
    if (lane.answer) stream.on("data", onData);
    else stream.resume();
    lane.startedMs = performance.now();
    stream.end(this.#source.next(lane.index));
  }

  /** Count the answer and start the lane's next call, until the time is up. */
  answered(lane: Lane): void {
    if (lane.status !== "0") {
      this.#ended.reject(new Error(`a call to ${this.#source.path} ended with grpc-status ${lane.status}`));
      return;
    }
    const nowMs = performance.now();
    this.#calls++;
    if (nowMs >= this.#measureFromMs && nowMs < this.#measureToMs) {
      this.#callsMeasured++;
      this.#latency.record((nowMs - lane.startedMs) * 1000);
    }
    if (lane.answer) {
      this.#source.inspect?.(Buffer.concat(lane.answer));
      lane.answer = undefined;
    }
    if (nowMs >= this.#measureToMs) {
      if (--this.#busy === 0) this.#ended.resolve();
      return;
    }
    const { callsPerSecond, connections, streams } = this.#options;
    if (callsPerSecond !== undefined) lane.dueMs += (connections * streams * 1_000) / callsPerSecond;
    const waitMs = lane.dueMs - nowMs;
    if (waitMs > 0) setTimeout(() => this.#call(lane), waitMs);
    else this.#call(lane);
  }
}

/** grpc-status comes in the trailers, or in the only headers of an answer that has no message. */
function onHeaders(this: LaneStream, headers: IncomingHttpHeaders): void {
  const status = headers["grpc-status"];
  if (status === undefined) return;
  this.lane.status = status === "0" ? status : `${status}: ${headers["grpc-message"]}`;
}

function onData(this: LaneStream, chunk: Buffer): void {
  this.lane.answer?.push(chunk);
}

function onEnd(this: LaneStream): void {
  this.lane.lanes.answered(this.lane);
}
