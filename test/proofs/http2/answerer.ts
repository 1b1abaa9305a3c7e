import { headBlock } from "../../../src/http2/block.ts";
import { OK, type Seen, TAIL } from "../../http2/peer.ts";
import type { Random } from "../crash/random.ts";

const LONG_HEAD = headBlock(200, ["x-long", "h".repeat(20_000)]);

/** Answers requests in all ways that there are, at once or later, and asks for their bodies in all ways. */
export class Answerer {
  /** All requests that were taken. */
  readonly taken: Seen[] = [];
  readonly #random: Random;
  /** Those that something may still be done to. */
  #open: Seen[] = [];
  /** Streams whose answer has begun. */
  readonly #begun = new Set<Seen>();
  /** And those whose answer was given whole. */
  readonly #given = new Set<Seen>();
  readonly #working = new Set<Seen>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** What is still worked on, though it may be over. */
  get working(): number {
    return this.#working.size;
  }

  take(seen: Seen): void {
    const random = this.#random;
    this.taken.push(seen);
    this.#open.push(seen);
    const { stream } = seen;
    seen.on.onBody = () => this.#maybe(seen);
    seen.on.onStart = () => this.#maybe(seen);
    seen.on.onPiece = ({ length }) => {
      if (random.fraction() < 0.1) this.#goOnWith(seen);
      if (random.fraction() < 0.7) stream.consumed(random.pick([length, 1, 100_000]));
    };
    seen.on.onEnd = () => this.#maybe(seen);
    seen.on.onUnread = () => this.#maybe(seen);
    seen.on.onWritable = () => this.#goOnWith(seen);
    const chance = random.fraction();
    if (chance < 0.1) this.#answer(seen);
    else if (chance < 0.5) stream.body(random.pick([0, 10, 5_000, 1_000_000]), random.pick([0, 5]));
    else if (chance < 0.7) stream.pieces();
    else if (chance < 0.75) stream.drop();
    else if (chance < 0.8) stream.reset(8);
    if (random.fraction() < 0.1) stream.lasting = true;
    if (random.fraction() < 0.1) stream.expect(random.pick([undefined, 1_000, 10_000]));
    if (random.fraction() < 0.2 && !stream.over) {
      stream.begin();
      this.#working.add(seen);
    }
  }

  /** Do something to some of those that are open. */
  goOn(): void {
    this.#open = this.#open.filter((seen) => !seen.stream.over || this.#random.fraction() < 0.5);
    for (const seen of this.#open) if (this.#random.fraction() < 0.3) this.#goOnWith(seen);
    for (const seen of this.#working) {
      if (this.#random.fraction() < 0.7) continue;
      seen.stream.finish();
      this.#working.delete(seen);
    }
  }

  #maybe(seen: Seen): void {
    if (this.#random.fraction() < 0.7) this.#goOnWith(seen);
  }

  #goOnWith(seen: Seen): void {
    const { stream } = seen;
    const random = this.#random;
    const chance = random.fraction();
    if (this.#given.has(seen)) return;
    if (chance < 0.05) stream.reset(random.pick([2, 8]));
    else if (chance < 0.1) stream.body(1_000);
    else if (chance < 0.15) stream.consumed(random.between(0, 5_000));
    else if (!this.#begun.has(seen)) this.#answer(seen);
    else if (chance < 0.7) stream.write(Buffer.alloc(random.pick([0, 1, 100, 20_000]), "w"));
    else {
      this.#given.add(seen);
      if (!stream.over) stream.end(random.fraction() < 0.5 ? TAIL : undefined);
      this.#open = this.#open.filter((other) => other !== seen);
    }
  }

  #answer(seen: Seen): void {
    const { stream } = seen;
    const random = this.#random;
    if (random.fraction() < 0.5) {
      stream.respond(random.pick([OK, OK, LONG_HEAD]));
      this.#begun.add(seen);
      return;
    }
    const pieces = [Buffer.alloc(5), Buffer.alloc(random.pick([0, 10, 300, 5_000, 16_379, 60_000]), "a")];
    stream.answer(
      OK,
      random.fraction() < 0.2 ? undefined : pieces,
      random.fraction() < 0.7 ? TAIL : undefined,
    );
    this.#open = this.#open.filter((other) => other !== seen);
  }
}
