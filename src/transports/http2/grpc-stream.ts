import type { Closed, ServerStream, StreamListener, Unread } from "../../http2/stream.ts";
import { type AnswerMetadata, lateRequest, type Refused } from "../calls/call.ts";
import type { RunningStream, StreamSink } from "../calls/open-stream.ts";
import type { StreamCall, Streams } from "../calls/stream.ts";
import { readFrames } from "../frames.ts";
import { COMPRESSED, headFault, inflated } from "../grpc/protocol.ts";
import { peerOf } from "../peer.ts";
import { NO_ROOM, type Room } from "../room.ts";
import { behindBody } from "./behind-body.ts";
import { answerHead, answerTrailers, framed, trailersOnly } from "./grpc-answer.ts";
import type { CallHead } from "./grpc-head.ts";
import type { Http2Door } from "./grpc-unary.ts";
import { Pieces } from "./pieces.ts";

/** What calls that stream share. */
export interface StreamDoor extends Http2Door {
  readonly streams: Streams;
  /** Room for messages that are still arriving, of all connections together. */
  readonly arriving: Room;
}

/** A call of gRPC that streams: messages as they are asked for, answers as they are taken. */
export class Http2StreamCall implements StreamListener, StreamSink {
  readonly #stream: ServerStream;
  readonly #door: StreamDoor;
  readonly #pieces: Pieces;
  readonly #running: RunningStream;
  #attached: AnswerMetadata | undefined;
  #isHeadSent = false;
  /** Told when a message that was sent is taken, or nobody is there. */
  #taken: (() => void) | undefined;

  constructor(stream: ServerStream, call: StreamCall, head: CallHead, door: StreamDoor) {
    this.#stream = stream;
    this.#door = door;
    stream.lasting = true;
    this.#pieces = new Pieces(stream);
    stream.pieces();
    const { headerOf, countOf, timeoutMs, unfit } = head;
    const caller = {
      head: {
        ...{ method: call.method, headerOf, countOf, overGrpc: true },
        peer: () => peerOf(stream.socket),
      },
      door: "grpc" as const,
      deadline: door.clock.now() + timeoutMs,
      unfit,
    };
    this.#running = door.streams.run(call, caller, (running) => this.#messages(call, head, running), this);
    stream.begin();
    door.inFlight++;
    void this.#running.done.then(() => {
      stream.finish();
      door.inFlight--;
    });
  }

  onPiece(piece: Buffer): void {
    this.#pieces.push(piece);
  }

  onEnd(): void {
    this.#pieces.end();
  }

  onUnread(why: Unread): void {
    this.#running.end(why === "late" ? lateRequest(this.#door.requestMs) : NO_ROOM);
  }

  onWritable(): void {
    this.#taken?.();
  }

  onClose(why: Closed): void {
    this.#pieces.end();
    this.#taken?.();
    if (why !== "answered") this.#running.end({ code: "CALL_CANCELLED" });
  }

  onStart(): void {} // It is read in pieces.
  onBody(): void {}

  attach(metadata: AnswerMetadata): void {
    this.#attached = metadata;
    this.#sendHead();
  }

  send(message: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taken = resolve;
    this.#sendHead();
    if (this.#stream.write(Buffer.concat(framed(message)))) resolve();
    return promise;
  }

  end(refused: Refused | undefined): void {
    this.#pieces.end();
    this.#taken?.();
    if (this.#stream.over) return; // Nothing is made for nobody.
    if (this.#isHeadSent) this.#stream.end(answerTrailers(refused, this.#attached));
    else if (refused !== undefined) this.#stream.answer(trailersOnly(refused));
    else this.#stream.answer(answerHead(undefined), [], answerTrailers(undefined, undefined));
  }

  #sendHead(): void {
    if (!this.#isHeadSent) this.#stream.respond(answerHead(this.#attached));
    this.#isHeadSent = true;
  }

  /** The messages of the request; one that is none ends the call. */
  async *#messages(
    { method: { methodKind }, requestBytesMax: bytesMax }: StreamCall,
    { encoding }: CallHead,
    running: RunningStream,
  ): AsyncGenerator<Buffer, void> {
    const { arriving, requestMs } = this.#door;
    const single = methodKind === "server_streaming";
    const frames = readFrames(this.#pieces, { bytesMax, arriving, single }, (owing) =>
      this.#stream.expect(owing ? requestMs : undefined),
    );
    for (;;) {
      const next = await frames.next();
      if (next.done) {
        const refusal = next.value ?? behindBody(this.#stream.trailers);
        if (refusal !== undefined) running.end(refusal);
        return;
      }
      const { flags, data } = next.value;
      const message =
        headFault(flags, data.length, encoding, bytesMax) ??
        (flags === COMPRESSED ? await inflated(data, encoding, bytesMax) : data);
      if ("code" in message) {
        running.end(message);
        return;
      }
      yield message;
    }
  }
}
