/** Of a page. */
export const PAGE_BYTES = 64 * 1024;

/** Of a stretch: 32 MiB, of which 512 are 16 GiB. */
const STRETCH_PAGES = 512;

/**
 * Memory for what is held of requests, of all connections, in pages; what nobody holds goes back to the system.
 *
 * From malloc, pages would each lie where there is room among all else that lives there, and what is freed goes back to the system
 * only from the end: a process that had once held 128 MiB of bodies stayed as large as that. What is asked for in 32 MiB,
 * and a little for malloc itself, glibc always has from the system by itself, and gives back when it is freed (its
 * M_MMAP_THRESHOLD moves with what is freed, and is never more than 32 MiB). Only those of its pages take memory that were
 * written to once.
 */
export class Pages {
  /** A page is taken of the first that has one, so that the later ones become empty. */
  #stretches: Stretch[] = [];

  /** What its stretches take at most, in bytes: nothing once all is given back, and nobody has taken any since. */
  get bytes(): number {
    return this.#stretches.length * STRETCH_PAGES * PAGE_BYTES;
  }

  /** A page; what is in it is no matter of who takes it. */
  take(): Buffer {
    let stretch = this.#stretches.find(({ full }) => !full);
    if (stretch === undefined) {
      stretch = new Stretch();
      this.#stretches.push(stretch);
    }
    return stretch.take();
  }

  /** Give back a page that nobody reads any more. */
  give(page: Buffer): void {
    const stretch = this.#stretches.find(({ memory }) => memory === page.buffer);
    if (stretch === undefined) throw new Error("a page that is none");
    stretch.give(page);
  }

  /** Free the stretches that nobody has held a page of since this was called last: who holds a little now and then has it at hand. */
  look(): void {
    this.#stretches = this.#stretches.filter((stretch) => stretch.look());
  }

  /** Free those that nobody holds a page of. */
  freeEmpty(): void {
    this.look();
    this.look();
  }
}

/** Many pages that lie side by side. */
class Stretch {
  readonly memory: ArrayBuffer;
  /** By their places; those that were given back last come first, for they take memory already. */
  readonly #free = Array.from({ length: STRETCH_PAGES }, (_, at) => STRETCH_PAGES - 1 - at);
  readonly #taken = new Uint8Array(STRETCH_PAGES);
  /** Whether any was taken since the last look. */
  #used = false;

  constructor() {
    // Not zeroed, which would write to all of it.
    this.memory = Buffer.allocUnsafeSlow(STRETCH_PAGES * PAGE_BYTES).buffer as ArrayBuffer;
  }

  get full(): boolean {
    return this.#free.length === 0;
  }

  take(): Buffer {
    this.#used = true;
    const at = this.#free.pop()!;
    this.#taken[at] = 1;
    return Buffer.from(this.memory, at * PAGE_BYTES, PAGE_BYTES);
  }

  give(page: Buffer): void {
    const at = page.byteOffset / PAGE_BYTES;
    // Twice in the pool, it would be two requests' at once.
    if (this.#taken[at] !== 1) throw new Error("a page that is given back twice");
    this.#taken[at] = 0;
    this.#free.push(at);
  }

  /** @returns  false: it was empty since the last look, and is freed */
  look(): boolean {
    const kept = this.#used || this.#free.length < STRETCH_PAGES;
    this.#used = false;
    if (!kept) this.memory.transfer(0);
    return kept;
  }
}
