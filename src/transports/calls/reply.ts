import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Refusal } from "../../core/errors.ts";

/** A reply must stay below what gRPC clients accept by default: 4 MiB. */
const REPLY_BYTES_MAX = 4 * 2 ** 20 - 1;

/** A response that consists of messages in its field 1, and stays below what clients accept. */
export class Reply {
  readonly #writer = new BinaryWriter();
  #left: number;

  /** @param rest  the encoded response as far as it has other fields */
  constructor(rest: Uint8Array = new Uint8Array()) {
    this.#writer.raw(rest);
    this.#left = REPLY_BYTES_MAX - rest.length;
  }

  /** @returns  false when there is no room for the message, and the response is as it was */
  add(message: Uint8Array): boolean {
    const size = message.length + FRAME_BYTES_MAX;
    if (size > this.#left) return false;
    this.#left -= size;
    this.#writer.tag(1, WireType.LengthDelimited).bytes(message);
    return true;
  }

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

/** A tag and a length. */
const FRAME_BYTES_MAX = 5;

/** An answer that would be more than clients accept. */
export function replyTooLarge(): Refusal {
  return { code: "REPLY_TOO_LARGE", max: BigInt(REPLY_BYTES_MAX) };
}
