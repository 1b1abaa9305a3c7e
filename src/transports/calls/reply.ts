import type { Refusal } from "../../core/errors.ts";
import { textSize, WireWriter } from "../../wire/writer.ts";

/** A reply must stay below what gRPC clients accept by default: 4 MiB. */
const REPLY_BYTES_MAX = 4 * 2 ** 20 - 1;

/** A response that consists of messages in its field 1, and stays below what clients accept. */
export class Reply {
  readonly #rest: Uint8Array;
  readonly #messages: Uint8Array[] = [];
  #size: number;

  /** @param rest  the encoded response as far as it has other fields */
  constructor(rest: Uint8Array = new Uint8Array()) {
    this.#rest = rest;
    this.#size = rest.length;
  }

  /** @returns  false when there is no room for the message, and the response is as it was */
  add(message: Uint8Array): boolean {
    const size = this.#size + textSize(message.length);
    if (size > REPLY_BYTES_MAX) return false;
    this.#size = size;
    this.#messages.push(message);
    return true;
  }

  finish(): Uint8Array {
    const w = new WireWriter(this.#size);
    w.raw(this.#rest);
    for (const message of this.#messages) {
      w.begin(MESSAGES, message.length);
      w.raw(message);
    }
    return w.finish();
  }
}

/** The tag of that field. */
const MESSAGES = (1 << 3) | 2;

/** An answer that would be more than clients accept. */
export function replyTooLarge(): Refusal {
  return { code: "REPLY_TOO_LARGE", max: BigInt(REPLY_BYTES_MAX) };
}
