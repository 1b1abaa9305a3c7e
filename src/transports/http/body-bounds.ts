import type { Refusal } from "../../core/errors.ts";
import { tooLarge } from "../calls/call.ts";
import type { BodyTerms, MessageHead } from "./engine.ts";

/**
 * How far a body is read, the same with every engine: no further than it may be long; and from when its head is there, no
 * further than that says.
 */
export class BodyBounds {
  readonly #head: MessageHead | undefined;
  readonly #announced: number | undefined;
  #bytesMax: number;
  #isHeadRead = false;

  /** @param announced  the body's length in bytes, as its headers have it; undefined: they do not */
  constructor({ bytesMax, head }: BodyTerms, announced: number | undefined) {
    this.#head = head;
    this.#announced = announced;
    this.#bytesMax = bytesMax + (head?.bytes ?? 0);
  }

  /** The longest that the body may be, in bytes, by what is known of it. */
  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** Whether there is a head that has yet to come. */
  get awaitsHead(): boolean {
    return this.#head !== undefined && !this.#isHeadRead;
  }

  /** Why nothing more of it is read, by its headers and what was read of its head; undefined: it may be one. */
  get refusal(): Refusal | undefined {
    return this.#announced !== undefined && this.#announced > this.#bytesMax ? this.beyond : undefined;
  }

  /** What a body is told that is longer than it may be. */
  get beyond(): Refusal {
    if (this.#isHeadRead) return this.#head!.behind;
    const headBytes = this.#head?.bytes ?? 0;
    const size = this.#announced === undefined ? undefined : this.#announced - headBytes;
    return tooLarge(size, this.#bytesMax - headBytes);
  }

  /** Judge a body by its first bytes, once all of its head is among them. @returns  why nothing more of it is read */
  judge(start: Buffer): Refusal | undefined {
    const head = this.#head;
    if (head === undefined || this.#isHeadRead || start.length < head.bytes) return undefined;
    const size = head.read(start);
    if (typeof size !== "number") return size;
    this.#isHeadRead = true;
    this.#bytesMax = head.bytes + size;
    return this.refusal;
  }

  /** A body that is there whole, or why it is none. */
  whole(body: Buffer): Buffer | Refusal {
    return this.judge(body) ?? (body.length > this.#bytesMax ? this.beyond : body);
  }
}
