import type { Refusal } from "../../core/errors.ts";
import { FRAME_BYTES_MAX } from "../../http2/frames.ts";
import type { ServerStream, StreamListener, Unread } from "../../http2/stream.ts";
import type { HeaderOf, KeptOfHeaders, Peer } from "../calls/authorise.ts";
import { lateRequest, type Refused, tooLarge, type UnaryCall } from "../calls/call.ts";
import type { GrpcDoor } from "../grpc/call.ts";
import { COMPRESSED, HEAD_BYTES, headFault, inflated, NOT_ONE } from "../grpc/protocol.ts";
import { UnaryExchange } from "../grpc/unary.ts";
import { peerOf } from "../peer.ts";
import { NO_ROOM } from "../room.ts";
import { behindBody } from "./behind-body.ts";
import { answerHead, answerTrailers, framed, trailersOnly } from "./grpc-answer.ts";
import type { CallHead } from "./grpc-head.ts";
import { owned } from "./owned.ts";

/** What the calls of one server share, over HTTP/2 of our own. */
export interface Http2Door extends GrpcDoor {
  /** How long a request may take to arrive, in milliseconds. */
  readonly requestMs: number;
}

/** A unary call of gRPC: its request whole, its answer in one piece. */
export class Http2UnaryCall extends UnaryExchange implements StreamListener {
  readonly deadline: number;
  /** Whether its message came in the turn in which it was let in. */
  atOnce = false;
  readonly headerOf: HeaderOf;
  protected readonly unfit: Refusal | undefined;
  readonly #head: CallHead;
  readonly #stream: ServerStream;
  readonly #bytesMax: number;
  readonly #requestMs: number;
  #reading = false;
  #readInTurn = -1;
  /** Whether the head of the message was there, and is that of one. */
  #begun = false;
  /** Whether the connection was told that there is work for this call, which goes on if the caller resets it. */
  #working = false;

  constructor(stream: ServerStream, call: UnaryCall, head: CallHead, door: Http2Door) {
    super(call, door);
    this.#stream = stream;
    this.#bytesMax = call.requestBytesMax;
    this.#head = head;
    this.unfit = head.unfit;
    this.#requestMs = door.requestMs;
    this.headerOf = head.headerOf;
    this.deadline = this.timeMs + head.timeoutMs;
  }

  countOf(name: string): number {
    return this.#head.countOf(name);
  }

  get kept(): KeptOfHeaders {
    return this.#head.kept;
  }

  peer(): Peer {
    return peerOf(this.#stream.socket);
  }

  /** The first five bytes at least: what follows is not read if it cannot be a message. */
  onStart(start: Buffer): void {
    const fault = this.#fault(start);
    this.#begun = true;
    if (fault !== undefined) this.refuse(fault);
    else this.#stream.body(HEAD_BYTES + start.readUInt32BE(1)); // And no more, which would be something behind it.
  }

  onBody(body: Buffer): void {
    const bytes = body.length < HEAD_BYTES ? Number.POSITIVE_INFINITY : HEAD_BYTES + body.readUInt32BE(1);
    const fault = body.length < HEAD_BYTES ? undefined : this.#fault(body);
    const { trailers } = this.#stream;
    const behind = trailers.length === 0 ? undefined : behindBody(trailers);
    if (fault !== undefined) this.refuse(fault);
    else if (body.length > bytes) this.refuse(NOT_ONE);
    else if (behind !== undefined) this.refuse(behind);
    else if (body.length < bytes)
      this.halfClose(); // Without a message.
    else {
      const message = owned(body.subarray(HEAD_BYTES));
      this.#working = true;
      this.#stream.begin();
      if (body[0] === COMPRESSED) void this.#inflate(message);
      else this.#take(message);
    }
  }

  onUnread(why: Unread): void {
    if (why === "late") this.refuse(lateRequest(this.#requestMs));
    else if (why === "no-room") this.refuse(NO_ROOM);
    else this.refuse(this.#begun ? NOT_ONE : this.#tooLarge()); // Its message is not, so that something is behind that.
  }

  onPiece(): void {} // It is read whole.
  onEnd(): void {}
  onWritable(): void {} // And answered whole.

  onClose(): void {
    this.cancel(); // Of an answer that was given nothing more is asked.
  }

  protected read(): void {
    if (this.#reading) return; // The end comes with the message.
    this.#reading = true;
    this.#readInTurn = this.#stream.turn;
    // One that came in a frame can say how large it is, and costs nothing.
    this.#stream.body(Math.max(HEAD_BYTES + this.#bytesMax, FRAME_BYTES_MAX), HEAD_BYTES);
  }

  protected send(result: Uint8Array | Refused): void {
    this.#workDone();
    const { attached } = this;
    if (result instanceof Uint8Array)
      this.#stream.answer(answerHead(attached), framed(result), answerTrailers(undefined, attached));
    else if (attached === undefined) this.#stream.answer(trailersOnly(result));
    else this.#stream.answer(answerHead(attached), [], answerTrailers(result, attached));
  }

  #fault(start: Buffer): Refused | undefined {
    return headFault(start[0]!, start.readUInt32BE(1), this.#head.encoding, this.#bytesMax);
  }

  #tooLarge(): Refused {
    const { contentLength } = this.#stream.head;
    return tooLarge(contentLength < 0 ? undefined : contentLength - HEAD_BYTES, this.#bytesMax);
  }

  #workDone(): void {
    if (this.#working) this.#stream.finish();
    this.#working = false;
  }

  #take(message: Buffer): void {
    this.atOnce = this.#stream.turn === this.#readInTurn;
    this.receive(message);
    this.halfClose();
  }

  async #inflate(bytes: Buffer): Promise<void> {
    const message = await inflated(bytes, this.#head.encoding, this.#bytesMax);
    if (this.cancelled()) this.#workDone();
    else if ("code" in message) this.refuse(message);
    else this.#take(message);
  }
}
