import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import { COMPRESSED, HEAD_BYTES, headFault, inflated, NOT_ONE } from "../grpc/protocol.ts";
import { Arriving, NO_ROOM, type Room, takeAll } from "../room.ts";
import { endCall, toStatus } from "./call.ts";
import type { CallInside, QueueEntry } from "./inside.ts";

/** What is to hold for the request of a call. */
export interface IntakeRules {
  /** The largest message, in bytes. */
  readonly bytesMax: number;
  /** Whether there may be any number of messages, or is one. */
  readonly many: boolean;
  /** The same of the answer. */
  readonly streamsAnswers: boolean;
}

const NOTHING = Buffer.alloc(0);

/**
 * The request of a call as it arrives, in the place of grpc-js's decoder, which keeps all that comes: a message is
 * judged by its first five bytes, and what is kept of it until it is whole takes room that is bounded.
 */
export class Intake {
  readonly call: CallInside;
  /** What the caller was told of what came; undefined: nothing. */
  refused: Refusal | undefined;
  /** When its headers came, by the clock that never goes back. */
  readonly since: number;
  readonly #clock: Clock;
  /** When the first byte came of the message that is arriving, by the same clock. */
  #messageSince = 0;
  /** When a message of an answer that streams was sent that is not taken yet, the same. */
  #sentAt: number | undefined;
  /** When it was first seen to be answered with the answer not taken yet, the same. */
  #answeredAt: number | undefined;
  readonly #rules: IntakeRules;
  readonly #rooms: readonly Room[];
  #head = NOTHING;
  #headLength = 0;
  #arriving: Arriving | undefined;
  /** How long the message that is arriving is, with its head. */
  #frameBytes = 0;
  /** Taken for messages that came compressed. */
  #inflatedBytes = 0;
  /** Whether the one message of such a request is here. */
  #complete = false;
  #over = false;

  constructor(call: CallInside, clock: Clock, rules: IntakeRules, rooms: readonly Room[]) {
    this.call = call;
    this.since = clock.monotonic();
    this.#clock = clock;
    this.#rules = rules;
    this.#rooms = rooms;
    if (call.incomingEncoding === "identity") call.decompressAndMaybePush = pushAtOnce;
    else call.decompressMessage = (frame, encoding) => this.#decompress(frame, encoding);
    if (rules.streamsAnswers) this.#timeAnswers();
  }

  /** Since when the caller owes the rest of a request or of a message; Infinity: it owes nothing. Asked now and then. */
  owedSince(now: number): number {
    const { stream } = this.call;
    if (stream.readableEnded || stream.writableEnded) return Number.POSITIVE_INFINITY; // Or it is answered.
    if (this.#single) return this.since; // The caller owes its end too.
    if (this.#headLength === 0) return Number.POSITIVE_INFINITY;
    if (stream.isPaused()) this.#messageSince = now; // It is we who do not read.
    return this.#messageSince;
  }

  /** Since when an answer, or a message of one that streams, waits to be taken; Infinity: none does. Asked now and then. */
  untakenSince(now: number): number {
    if (this.#sentAt !== undefined) return this.#sentAt;
    if (!this.call.stream.writableEnded) return Number.POSITIVE_INFINITY;
    this.#answeredAt ??= now;
    return this.#answeredAt;
  }

  /** Whether the answer is a stream. */
  get streamsAnswers(): boolean {
    return this.#rules.streamsAnswers;
  }

  /** Whether the request is one message. */
  get #single(): boolean {
    return !this.#rules.many;
  }

  /** @returns  the messages that are whole by now, each with its head */
  write(data: Buffer): Buffer[] {
    if (this.#over) return [];
    const { length } = data;
    // Nearly all: one message in one piece.
    if (
      this.#headLength === 0 &&
      !this.#complete &&
      length >= HEAD_BYTES &&
      length <= COPIED_BYTES &&
      data.readUInt32BE(1) === length - HEAD_BYTES
    ) {
      if (!this.#accepts(data)) return [];
      this.#complete = this.#single;
      return [Buffer.from(data)]; // Copied, for it is a slice of all that was read from the socket with it.
    }
    return this.#writePieces(data);
  }

  /** Send the status and nothing else; what is still coming is not wanted. */
  refuse(refusal: Refusal): void {
    this.#over = true;
    this.refused = refusal;
    this.free();
    endCall(this.call, toStatus(refusal));
  }

  /** Give back the room: the request is whole and has gone on, or nobody waits for the rest. */
  free(): void {
    this.#arriving?.free();
    this.#arriving = undefined;
    if (this.#inflatedBytes === 0) return; // As nearly always: a small message in one piece takes no room.
    for (const room of this.#rooms) room.give(this.#inflatedBytes);
    this.#inflatedBytes = 0;
  }

  /** One message at a time is sent, by all that stream. */
  #timeAnswers(): void {
    const { call } = this;
    const { sendMessage } = call;
    call.sendMessage = (message, taken) => {
      this.#sentAt = this.#clock.monotonic();
      sendMessage.call(call, message, () => {
        this.#sentAt = undefined;
        taken();
      });
    };
  }

  #writePieces(data: Buffer): Buffer[] {
    const whole: Buffer[] = [];
    let at = 0;
    while (at < data.length) {
      if (this.#complete) return this.#drop(NOT_ONE);
      if (this.#headLength < HEAD_BYTES) {
        if (this.#head === NOTHING) this.#head = Buffer.allocUnsafe(HEAD_BYTES);
        if (this.#headLength === 0) this.#messageSince = this.#clock.monotonic();
        const end = Math.min(data.length, at + HEAD_BYTES - this.#headLength);
        this.#headLength += data.copy(this.#head, this.#headLength, at, end);
        at = end;
        if (this.#headLength < HEAD_BYTES) break;
        if (!this.#begin()) return [];
      }
      const arriving = this.#arriving!;
      const end = Math.min(data.length, at + this.#frameBytes - arriving.length);
      if (!arriving.add(data.subarray(at, end))) return this.#drop(NO_ROOM);
      at = end;
      if (arriving.length === this.#frameBytes) whole.push(this.#finish(arriving));
    }
    return whole;
  }

  /** The head is there: whether what follows is wanted. */
  #begin(): boolean {
    if (!this.#accepts(this.#head)) return false;
    this.#frameBytes = HEAD_BYTES + this.#head.readUInt32BE(1);
    // Until the request has ended: a caller that sends a message and then no end is charged for it too.
    if (this.#single) this.call.stream.once("end", () => this.free());
    this.#arriving = new Arriving(this.#rooms, this.#frameBytes);
    if (this.#arriving.add(this.#head)) return true;
    this.#drop(NO_ROOM);
    return false;
  }

  #finish(arriving: Arriving): Buffer {
    const { bytes } = arriving;
    this.#headLength = 0;
    this.#complete = this.#single;
    if (!this.#single) this.free();
    return bytes;
  }

  /** Whether a message that begins so is one. */
  #accepts(head: Buffer): boolean {
    const { bytesMax } = this.#rules;
    const fault = headFault(head[0]!, head.readUInt32BE(1), this.call.incomingEncoding, bytesMax);
    if (fault !== undefined) this.#drop(fault);
    return fault === undefined;
  }

  #drop(refusal: Refusal): [] {
    this.refuse(refusal);
    return [];
  }

  async #decompress(frame: Buffer, encoding: string): Promise<Buffer> {
    const message = frame.subarray(HEAD_BYTES);
    if (frame[0] !== COMPRESSED) return message;
    const { bytesMax } = this.#rules;
    const bytes = await inflated(message, encoding, bytesMax);
    const refusal = "code" in bytes ? bytes : this.#holds(bytes.length) ? undefined : NO_ROOM;
    if (refusal === undefined) return bytes as Buffer;
    this.refused = refusal;
    throw toStatus(refusal); // As grpc-js wants it, which sends it.
  }

  /** Whether there is room for a message that came compressed. */
  #holds(bytes: number): boolean {
    if (this.#rules.many || this.#over || this.call.stream.readableEnded) return true;
    if (!takeAll(this.#rooms, bytes)) return false;
    this.#inflatedBytes += bytes;
    this.call.stream.once("end", () => this.free());
    return true;
  }
}

/** Without the promise that grpc-js makes for each message, compressed or not. */
function pushAtOnce(this: CallInside, entry: QueueEntry): void {
  entry.parsedMessage = entry.compressedMessage.subarray(HEAD_BYTES);
  entry.type = "READABLE";
  this.maybePushNextMessage();
}

/** Above this a message takes room also when it comes in one piece. */
const COPIED_BYTES = 4 * 1024;
