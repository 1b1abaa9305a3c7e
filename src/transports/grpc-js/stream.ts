import * as grpc from "@grpc/grpc-js";
import type { AnswerMetadata, Refused } from "../calls/call.ts";
import type { RunningStream, StreamSink } from "../calls/open-stream.ts";
import type { StreamCall, Streams } from "../calls/stream.ts";
import type { GrpcDoor } from "../grpc/call.ts";
import { deadlineOf, endCall, endingOf, toMetadata } from "./call.ts";
import type { CallBeside } from "./connections.ts";
import { insideOfCall } from "./inside.ts";

/** A stream where grpc-js lets interceptors stand; each message is read when the call asks for it. */
export class StreamExchange extends grpc.ServerInterceptingCall implements grpc.ServerListener, StreamSink {
  readonly #call: grpc.ServerInterceptingCallInterface;
  readonly #stream: StreamCall;
  readonly #streams: Streams;
  readonly #beside: CallBeside;
  readonly #door: GrpcDoor;
  #running: RunningStream | undefined;
  #attached: AnswerMetadata | undefined;
  /** Who waits for the next message; told undefined when there is none. */
  #reader: ((message: Buffer | undefined) => void) | undefined;
  /** Whether no more messages come. */
  #ended = false;
  /** Told when a message that was sent is taken. */
  #taken: (() => void) | undefined;

  constructor(
    call: grpc.ServerInterceptingCallInterface,
    stream: StreamCall,
    streams: Streams,
    beside: CallBeside,
    door: GrpcDoor,
  ) {
    super(call);
    this.#call = call;
    this.#stream = stream;
    this.#streams = streams;
    this.#beside = beside;
    this.#door = door;
  }

  /** The listener given is grpc-js's own handling, which is never told anything. */
  override start(): void {
    this.#call.start(this);
  }

  onReceiveMetadata(): void {
    this.#door.inFlight++;
    const beside = this.#beside;
    const caller = {
      head: {
        method: this.#stream.method,
        headerOf: beside.headerOf,
        countOf: beside.countOf,
        overGrpc: true,
        peer: beside.peer,
      },
      door: "grpc" as const,
      deadline: deadlineOf(this.#call, this.#door),
      unfit: beside.unfit,
      judged: beside.judged,
    };
    this.#running = this.#streams.run(this.#stream, caller, () => this.#requests(), this);
    void this.#running.done.then(() => this.#door.inFlight--);
  }

  onReceiveMessage(message: Buffer): void {
    this.#read(message);
  }

  onReceiveHalfClose(): void {
    this.#ended = true;
    this.#read(undefined);
  }

  onCancel(): void {
    this.#ended = true;
    this.#read(undefined);
    this.#taken?.();
    this.#running?.end(this.#beside.refused() ?? { code: "CALL_CANCELLED" });
  }

  attach(metadata: AnswerMetadata): void {
    this.#attached = metadata;
    this.#sendHead();
  }

  send(message: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taken = resolve;
    this.#sendHead();
    this.#call.sendMessage(message, resolve);
    return promise;
  }

  end(refused: Refused | undefined): void {
    this.#ended = true;
    this.#read(undefined);
    this.#taken?.();
    const inside = insideOfCall(this.#call);
    if (inside.stream.destroyed) return; // Nothing is made for nobody.
    if (refused === undefined) this.#sendHead();
    endCall(inside, endingOf(refused, this.#attached?.trailers));
  }

  /** Once; grpc-js heeds no other. */
  #sendHead(): void {
    this.#call.sendMetadata(toMetadata(this.#attached?.headers));
  }

  async *#requests(): AsyncGenerator<Buffer, void> {
    while (!this.#ended) {
      const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
      this.#reader = resolve;
      this.#call.startRead();
      const message = await promise;
      if (message === undefined) return;
      yield message;
    }
  }

  #read(message: Buffer | undefined): void {
    this.#reader?.(message);
    this.#reader = undefined;
  }
}
