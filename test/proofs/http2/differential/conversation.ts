import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import { Decoder } from "../../../../src/http2/hpack/decoder.ts";
import { END_STREAM, type Frame, framesIn } from "../../../http2/wire.ts";

/** What a client says, and to which streams it may expect an answer. */
export interface Script {
  /** In the pieces in which it is written. */
  readonly pieces: readonly Buffer[];
  /** Streams whose requests end in it. */
  readonly ended: readonly number[];
}

/** The answer on a stream, as far as it came. */
export interface Answered {
  head: string[];
  body: string;
  trailers: string[];
  ended: boolean;
  reset: boolean;
}

/** What a server made of a script. */
export interface Heard {
  readonly streams: ReadonlyMap<number, Answered>;
  /** Whether it ended the connection. */
  readonly hungUp: boolean;
}

/**
 * After so many turns of the event loop without a word nothing more comes. Turns, and not a time, for both servers are in
 * this process: where it has to wait for the processor, so have they.
 */
const QUIET_TURNS = 200;

/** Say a script to a server, and hear it out: until all is answered, it hangs up, or nothing comes any more. */
export async function converse(port: number, { pieces, ended }: Script): Promise<Heard> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const hearing = new Hearing();
  let quiet = 0;
  let hungUp = false;
  let closed = false;
  socket.on("data", (chunk) => {
    quiet = 0;
    hearing.hear(chunk);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
  });
  socket.on("end", () => {
    hungUp = true;
  });
  await once(socket, "connect");
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await setImmediate();
  }
  for (; !closed && quiet < QUIET_TURNS && !ended.every((id) => hearing.isOver(id)); quiet++)
    await setImmediate();
  const isCut = hungUp || hearing.goneAway || socket.errored !== null;
  socket.destroy();
  return { streams: hearing.streams, hungUp: isCut };
}

/** Puts frames together to answers. */
class Hearing {
  readonly streams = new Map<number, Answered>();
  goneAway = false;
  readonly #decoder = new Decoder();
  #rest: Buffer = Buffer.alloc(0);

  hear(chunk: Buffer): void {
    const { frames, rest } = framesIn(Buffer.concat([this.#rest, chunk]));
    this.#rest = rest;
    for (const frame of frames) this.#hear(frame);
  }

  isOver(id: number): boolean {
    const answer = this.streams.get(id);
    return answer !== undefined && (answer.ended || answer.reset);
  }

  #hear({ type, flags, stream, payload }: Frame): void {
    if (type === "GOAWAY") this.goneAway = true;
    else if (type === "RST_STREAM") this.#answer(stream).reset = true;
    else if (type === "DATA") this.#answer(stream).body += payload.toString("latin1");
    else if (type === "HEADERS") this.#fields(this.#answer(stream), payload);
    else return;
    if ((type === "DATA" || type === "HEADERS") && (flags & END_STREAM) !== 0)
      this.#answer(stream).ended = true;
  }

  /** All of them, for none of the answers here needs a second frame. */
  #fields(answer: Answered, block: Buffer): void {
    const into = answer.head.length === 0 ? answer.head : answer.trailers;
    const sink = { add: (name: string, value: string) => void into.push(name, value) };
    this.#decoder.decode(block, 0, block.length, sink);
  }

  #answer(id: number): Answered {
    let answer = this.streams.get(id);
    if (answer === undefined) {
      answer = { head: [], body: "", trailers: [], ended: false, reset: false };
      this.streams.set(id, answer);
    }
    return answer;
  }
}
