import { headBlock } from "./block.ts";
import { Blocks } from "./blocks.ts";
import { Bucket } from "./bucket.ts";
import { ClosedStreams } from "./closed-streams.ts";
import { ConnectionError, ErrorCode, Flag, FrameType } from "./codes.ts";
import type { Ending } from "./ending.ts";
import { MAX_31_BITS, pingFrame, read31Bits, readUint32, resetFrame, SETTINGS_ACK } from "./frames.ts";
import type { FieldList } from "./head.ts";
import type { LimitName } from "./limits.ts";
import { Lingering } from "./lingering.ts";
import { OpenStream, type StreamHost } from "./open-stream.ts";
import { type PeerSettings, readSettings } from "./peer-settings.ts";
import type { Closed, StreamListener } from "./stream.ts";

/** What frames do something to. */
export interface ReceivingConnection extends StreamHost {
  readonly streams: ReadonlyMap<number, OpenStream>;
  readonly ending: Ending;
  /** Whether a stream more may be opened. */
  readonly takesRequests: boolean;
  open(stream: OpenStream): void;
  /** Hand a request to who answers it. */
  accept(stream: OpenStream): StreamListener | undefined;
  refuseOversized(stream: OpenStream): void;
  /** So many bytes of its window are used up. */
  giveBack(bytes: number): void;
  /** Take over what the peer has settled. */
  settle(settings: PeerSettings): void;
  settingsAcked(): void;
  /** The peer has done too much of something: no more requests, and the end after those in flight. */
  endSoon(code: number, reason: string, limits: readonly LimitName[]): void;
}

/** What a KiB of a header list costs in a connection's turn: as much as two frames. */
const COST_SHIFT = 9;

/** And a request, with what is to be done for it until others have their turn. */
const REQUEST_COST = 16;

/**
 * What each frame that a client sends does (RFC 9113, section 6): a function a frame. What a frame may not be ends the
 * connection by a ConnectionError, or its stream by `#fault`, as the section says.
 */
export class Receiver {
  readonly #connection: ReceivingConnection;
  readonly #blocks: Blocks;
  readonly #closed: ClosedStreams;
  readonly #lingering: Lingering;
  readonly #control: Bucket;
  readonly #resets: Bucket;
  /** The highest stream that the client has opened. */
  lastStream = 0;
  /** Whether its SETTINGS are there. */
  settled = false;
  /** The stream whose header block goes on in the next frame; 0: none does (RFC 9113, section 4.3). */
  #blockStream = 0;
  #blockFlags = 0;
  #blockFault: string | undefined;
  /** When that block began; Infinity without one. */
  blockSince = Number.POSITIVE_INFINITY;

  constructor(connection: ReceivingConnection) {
    const { limits } = connection;
    this.#connection = connection;
    this.#blocks = new Blocks(limits, connection.arriving);
    this.#closed = new ClosedStreams(limits.streamsMax);
    this.#lingering = new Lingering(connection.output, this.#closed, limits.streamsMax);
    this.#control = new Bucket(limits.controlBurst, limits.controlRate);
    this.#resets = new Bucket(limits.streamResetsBurst, limits.streamResetsRate);
  }

  refill(seconds: number): void {
    this.#control.refill(seconds);
    this.#resets.refill(seconds);
  }

  /** Answers were sent, which the peer may say something to. */
  earn(frames: number): void {
    this.#control.earn(frames);
  }

  /** A stream is closed. @param cut  whether by a RST_STREAM of ours, so that more of it may be under way */
  streamClosed(stream: OpenStream, why: Closed, cut: boolean): void {
    const { id, requestEnded } = stream;
    if (cut) this.#closed.addCut(id);
    else if (why === "reset") this.#closed.addReset(id);
    else if (why === "answered" && !requestEnded) this.#lingering.add(stream, this.#connection.now());
    else this.#closed.addEnded(id);
  }

  /** What streams begin with was settled anew: it holds for those that are answered too. @returns  false: a window is too large */
  moveWindows(bytes: number): boolean {
    return this.#lingering.moveWindows(bytes);
  }

  /** Wait no longer for the ends of requests that are answered. */
  look(now: number): void {
    this.#lingering.look(now);
  }

  /** It was not the peer who let a header block wait: its time begins anew. */
  excuse(): void {
    if (this.#blockStream !== 0) this.blockSince = this.#connection.now();
  }

  /** Give back what is held. */
  close(): void {
    this.#blocks.forget();
    this.#lingering.close();
  }

  /** The payload lies at `start` to `end`. @returns  what it was to read, in frames of an ordinary size */
  frame(type: number, flags: number, id: number, from: Buffer, start: number, end: number): number {
    if (this.#blockStream !== 0 && (type !== FrameType.CONTINUATION || id !== this.#blockStream)) {
      throw protocolError("another frame in a header block"); // RFC 9113, section 6.10.
    }
    if (!this.settled && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      throw protocolError("no SETTINGS behind the preface"); // RFC 9113, section 3.4.
    }
    switch (type) {
      case FrameType.DATA:
        this.#data(flags, id, from, start, end);
        return 1;
      case FrameType.HEADERS:
        return this.#headers(flags, id, from, start, end);
      case FrameType.CONTINUATION:
        return this.#continuation(flags, from, start, end);
      case FrameType.PRIORITY:
        this.#priority(id, from, start, end);
        return 1;
      case FrameType.RST_STREAM:
        this.#rstStream(id, from, start, end);
        return 1;
      case FrameType.SETTINGS:
        this.#settings(flags, id, from, start, end);
        return 1;
      case FrameType.PING:
        this.#ping(flags, id, from, start, end);
        return 1;
      case FrameType.GOAWAY:
        this.#goAway(id, end - start);
        return 1;
      case FrameType.WINDOW_UPDATE:
        this.#windowUpdate(id, from, start, end);
        return 1;
      case FrameType.PUSH_PROMISE:
        throw protocolError("a PUSH_PROMISE of a client"); // RFC 9113, section 8.4.
      default:
        this.#spend(); // Ignored (RFC 9113, section 5.5).
        return 1;
    }
  }

  /** RFC 9113, section 6.1. */
  #data(flags: number, id: number, from: Buffer, payloadStart: number, payloadEnd: number): void {
    const connection = this.#connection;
    const length = payloadEnd - payloadStart;
    const padding = (flags & Flag.PADDED) === 0 ? 0 : paddingOf(from, payloadStart, payloadEnd);
    const start = padding === 0 ? payloadStart : payloadStart + 1;
    const end = padding === 0 ? payloadEnd : payloadEnd - padding + 1;
    const last = (flags & Flag.END_STREAM) !== 0;
    this.#refuseIdle(id, "DATA");
    connection.giveBack(length); // At once, so that there is always enough: each stream's own bounds what is held of it.
    if (start === end && !last) this.#spend();
    const stream = connection.streams.get(id);
    if (stream === undefined) this.#dataOfClosed(id, length, end - start, last);
    else if (stream.requestEnded) this.#fault(id, ErrorCode.STREAM_CLOSED);
    else if (!stream.receiveWindow.arrived(length)) this.#fault(id, ErrorCode.FLOW_CONTROL_ERROR);
    else {
      if (padding > 0) stream.giveBack(padding);
      if (!stream.arrived(start === end ? NOTHING : from.subarray(start, end), last)) {
        this.#fault(id, ErrorCode.PROTOCOL_ERROR);
      }
    }
  }

  /** RFC 9113, section 5.1, "closed". */
  #dataOfClosed(id: number, length: number, bodyLength: number, last: boolean): void {
    if (this.#lingering.has(id)) {
      const fault = this.#lingering.arrived(id, length, bodyLength, last);
      if (fault !== undefined) this.#fault(id, fault);
      return;
    }
    if (this.#closed.cut(id)) return;
    if (this.#closed.ended(id)) throw new ConnectionError(ErrorCode.STREAM_CLOSED, "DATA of a closed stream");
    this.#fault(id, ErrorCode.STREAM_CLOSED); // Reset by the peer; or so long ago that it is not known how.
  }

  /** RFC 9113, section 6.2. */
  #headers(flags: number, id: number, from: Buffer, payloadStart: number, payloadEnd: number): number {
    if (id % 2 === 0) throw protocolError("HEADERS of no client's stream"); // RFC 9113, section 5.1.1.
    const padding = (flags & Flag.PADDED) === 0 ? 0 : paddingOf(from, payloadStart, payloadEnd);
    let start = padding === 0 ? payloadStart : payloadStart + 1;
    const end = padding === 0 ? payloadEnd : payloadEnd - padding + 1;
    this.#blockFault = undefined;
    if ((flags & Flag.PRIORITY) !== 0) {
      if (end - start < PRIORITY_BYTES) throw sizeError("HEADERS with a cut priority");
      if (read31Bits(from, start) === id) this.#blockFault = "a stream that depends on itself";
      start += PRIORITY_BYTES;
    }
    if ((flags & Flag.END_HEADERS) !== 0)
      return this.#fieldList(id, flags, this.#blocks.decode(from, start, end));
    this.#blockStream = id;
    this.#blockFlags = flags;
    this.blockSince = this.#connection.now();
    this.#blocks.add(from, start, end);
    return 1;
  }

  /** RFC 9113, section 6.10. */
  #continuation(flags: number, from: Buffer, start: number, end: number): number {
    const id = this.#blockStream;
    if (id === 0) throw protocolError("CONTINUATION of nothing");
    this.#blocks.add(from, start, end);
    if ((flags & Flag.END_HEADERS) === 0) return 1;
    this.#blockStream = 0;
    this.blockSince = Number.POSITIVE_INFINITY;
    return this.#fieldList(id, this.#blockFlags, this.#blocks.decodePieces());
  }

  /** A whole header list: what opens a stream, or what follows its body (RFC 9113, section 8.1). */
  #fieldList(id: number, flags: number, list: FieldList): number {
    const last = (flags & Flag.END_STREAM) !== 0;
    const stream = this.#connection.streams.get(id);
    if (stream !== undefined) this.#trailers(stream, last, list);
    else if (id > this.lastStream) this.#request(id, last, list);
    else if (this.#lingering.has(id)) this.#trailersOfAnswered(id, last);
    else if (this.#closed.cut(id)) this.#spend();
    else if (this.#closed.ended(id))
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, "HEADERS of a closed stream");
    else if (this.#closed.reset(id)) this.#fault(id, ErrorCode.STREAM_CLOSED);
    else throw protocolError("a stream that is older than the last"); // RFC 9113, section 5.1.1.
    return REQUEST_COST + (list.listBytes >> COST_SHIFT);
  }

  #trailers(stream: OpenStream, last: boolean, list: FieldList): void {
    if (stream.requestEnded) this.#fault(stream.id, ErrorCode.STREAM_CLOSED);
    else if (!last || this.#blockFault !== undefined || list.trailerFault() !== undefined) {
      this.#fault(stream.id, ErrorCode.PROTOCOL_ERROR);
    } else {
      stream.trailers = list.fields;
      if (!stream.arrived(NOTHING, true)) this.#fault(stream.id, ErrorCode.PROTOCOL_ERROR);
    }
  }

  #trailersOfAnswered(id: number, last: boolean): void {
    const fault = last ? this.#lingering.arrived(id, 0, 0, true) : ErrorCode.PROTOCOL_ERROR;
    if (fault !== undefined) this.#fault(id, fault);
  }

  #request(id: number, last: boolean, list: FieldList): void {
    const connection = this.#connection;
    this.lastStream = id;
    // Also of one that is refused or given up: they may be on their way by then.
    if (connection.ending.takesRequests) this.#control.earn(FRAMES_OF_REQUEST);
    if (this.#blockFault !== undefined || list.requestFault() !== undefined) {
      this.#fault(id, ErrorCode.PROTOCOL_ERROR); // RFC 9113, section 8.1.1.
      return;
    }
    const charge = list.oversized ? 0 : Math.max(0, list.listBytes - UNCHARGED_LIST_BYTES); // Those are answered at once.
    if (!connection.takesRequests || !connection.arriving.take(charge)) {
      this.#fault(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    const stream = new OpenStream(connection, id, list, charge);
    connection.open(stream);
    if (last && !stream.arrived(NOTHING, true)) this.#fault(id, ErrorCode.PROTOCOL_ERROR);
    else if (list.oversized) connection.refuseOversized(stream);
    else if (list.method === "CONNECT") stream.answer(NOT_IMPLEMENTED);
    else stream.listen(connection.accept(stream));
  }

  /** RFC 9113, section 6.3: not heeded. */
  #priority(id: number, from: Buffer, start: number, end: number): void {
    if (id === 0) throw protocolError("PRIORITY of no stream");
    this.#spend();
    if (end - start !== PRIORITY_BYTES) this.#fault(id, ErrorCode.FRAME_SIZE_ERROR);
    else if (read31Bits(from, start) === id) this.#fault(id, ErrorCode.PROTOCOL_ERROR);
  }

  /** RFC 9113, section 6.4. */
  #rstStream(id: number, from: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw sizeError("RST_STREAM");
    this.#refuseIdle(id, "RST_STREAM");
    const stream = this.#connection.streams.get(id);
    const lingered = this.#lingering.forget(id);
    if (stream !== undefined) this.#connection.closed(stream, "reset");
    else if (lingered) this.#closed.addReset(id);
    // Who has an answer need not send the rest of its request, and says so: that is no call given up.
    if (lingered || (stream === undefined && readUint32(from, start) === ErrorCode.NO_ERROR)) this.#spend();
    else this.#spendReset(); // Of one that was just answered too, for it cost as much.
  }

  /** RFC 9113, section 6.5. */
  #settings(flags: number, id: number, from: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError("SETTINGS of a stream");
    const ack = (flags & Flag.ACK) !== 0;
    if (ack ? end !== start : (end - start) % 6 !== 0) throw sizeError("SETTINGS");
    this.#spend();
    if (ack) {
      this.#connection.settingsAcked();
      return;
    }
    this.settled = true;
    const theirs = readSettings(from, start, end);
    this.#connection.output.frame(SETTINGS_ACK); // Before what they allow to be sent (RFC 9113, section 6.5.3).
    this.#connection.settle(theirs);
  }

  /** RFC 9113, section 6.7. */
  #ping(flags: number, id: number, from: Buffer, start: number, end: number): void {
    if (end - start !== 8) throw sizeError("PING");
    if (id !== 0) throw protocolError("PING of a stream");
    this.#spend();
    const data = from.subarray(start, end);
    if ((flags & Flag.ACK) !== 0) this.#connection.ending.ponged(data);
    else this.#connection.output.frame(pingFrame(data, true));
  }

  /** RFC 9113, section 6.8: the client opens no more streams, which we need not know. */
  #goAway(id: number, length: number): void {
    if (id !== 0) throw protocolError("GOAWAY of a stream");
    if (length < 8) throw sizeError("GOAWAY");
    this.#spend();
  }

  /** RFC 9113, section 6.9. */
  #windowUpdate(id: number, from: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw sizeError("WINDOW_UPDATE");
    if (id !== 0) this.#refuseIdle(id, "WINDOW_UPDATE");
    this.#spend();
    const connection = this.#connection;
    const bytes = read31Bits(from, start);
    const stream = connection.streams.get(id);
    if (id === 0) {
      if (bytes === 0) throw protocolError("WINDOW_UPDATE by nothing");
      if (!connection.sender.window.grow(bytes)) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `a window beyond ${MAX_31_BITS}`);
      }
      connection.sender.sendWaiting();
    } else if (bytes === 0) this.#fault(id, ErrorCode.PROTOCOL_ERROR);
    else if (stream === undefined) {
      // It was under way when the stream closed.
      if (!this.#lingering.grow(id, bytes)) this.#fault(id, ErrorCode.FLOW_CONTROL_ERROR);
    } else if (!stream.sending.window.grow(bytes)) this.#fault(id, ErrorCode.FLOW_CONTROL_ERROR);
    else connection.sender.goOn(stream.sending);
  }

  /** Streams that nobody has opened have no frames but HEADERS and PRIORITY (RFC 9113, section 5.1, "idle"). */
  #refuseIdle(id: number, what: string): void {
    if (id > this.lastStream || id % 2 === 0) throw protocolError(`${what} of an idle stream, or of none`);
  }

  /** Something that the peer may do, and not again and again. */
  #spend(): void {
    if (this.#control.spend()) return;
    throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many control frames", [
      "controlBurst",
      "controlRate",
    ]);
  }

  /** A stream error (RFC 9113, section 5.4.2). Counted, for who has us reset is as dear as who resets (CVE-2025-8671). */
  #fault(id: number, code: number): void {
    const connection = this.#connection;
    const stream = connection.streams.get(id);
    if (stream !== undefined) connection.resetStream(stream, code);
    // A stream that is idle cannot be reset, so it is the connection's (RFC 9113, sections 5.4.2 and 6.4).
    else if (id > this.lastStream || id % 2 === 0)
      throw new ConnectionError(code, "a fault of an idle stream");
    else if (!this.#closed.cut(id)) {
      this.#lingering.forget(id);
      connection.output.frame(resetFrame(id, code));
      this.#closed.addCut(id);
    }
    this.#spendReset();
  }

  #spendReset(): void {
    if (this.#resets.spend()) return;
    this.#connection.endSoon(ErrorCode.ENHANCE_YOUR_CALM, "too many resets", [
      "streamResetsBurst",
      "streamResetsRate",
    ]);
  }
}

/** Which control frames go with a request: window updates, a priority, a PING that measures or goes with its reset. */
const FRAMES_OF_REQUEST = 4;

/** So much of its header list a request may keep as it is, as most do; for more there has to be room. */
const UNCHARGED_LIST_BYTES = 1_024;

const NOTHING = Buffer.alloc(0);
const PRIORITY_BYTES = 5;

/** We are no proxy (RFC 9110, section 9.3.6). */
const NOT_IMPLEMENTED = headBlock(501, []);

/** The octets that are no data, the one that tells how many among them (RFC 9113, section 6.1). */
function paddingOf(from: Buffer, start: number, end: number): number {
  if (start === end) throw sizeError("a padded frame without its length");
  const padding = from[start]! + 1;
  if (padding > end - start) throw protocolError("more padding than a frame has");
  return padding;
}

function protocolError(reason: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, reason);
}

function sizeError(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${what} of another length`);
}
