import { EventEmitter } from "node:events";
import type { Socket } from "node:net";

/**
 * A socket that a test holds the other end of: what is written to it is there at once, and in the pieces in which it
 * was. It takes all, unless it is `stuck`.
 */
export class FakeSocket extends EventEmitter {
  /** Takes nothing more for now. */
  stuck = false;
  destroyed = false;
  writableEnded = false;
  paused = false;
  readonly remoteAddress = "192.0.2.1";
  readonly writes: Buffer[] = [];
  bytesWritten = 0;
  writableLength = 0;
  #corked: Buffer[] | undefined;
  #onFinish: (() => void) | undefined;

  /** What the engine takes it for. */
  get socket(): Socket {
    return this as unknown as Socket;
  }

  write(bytes: Uint8Array): boolean {
    const copy = Buffer.from(bytes); // As the system has it: what is done to the buffer after that is not seen.
    if (this.#corked !== undefined) this.#corked.push(copy);
    else this.#writeOut(copy);
    return this.writableLength === 0;
  }

  cork(): void {
    this.#corked = [];
  }

  uncork(): void {
    const bytes = Buffer.concat(this.#corked!);
    this.#corked = undefined;
    this.#writeOut(bytes);
  }

  /** It takes what waits. */
  unstick(): void {
    this.stuck = false;
    this.writableLength = 0;
    this.emit("drain");
    this.#onFinish?.();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(onFinish?: () => void): void {
    this.writableEnded = true;
    if (this.writableLength === 0) onFinish?.();
    else this.#onFinish = onFinish;
  }

  destroySoon(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }

  #writeOut(bytes: Buffer): void {
    this.writes.push(bytes);
    this.bytesWritten += bytes.length;
    if (this.stuck) this.writableLength += bytes.length;
  }
}
