/** Why no bytes are taken from a socket: its turn is over, or it does not take what it is sent. */
export type Pause = "turn" | "backlog";

/** Takes bytes from a socket, unless there is a reason not to. */
export class Valve {
  readonly #socket: { pause(): unknown; resume(): unknown };
  readonly #pauses = new Set<Pause>();

  constructor(socket: { pause(): unknown; resume(): unknown }) {
    this.#socket = socket;
  }

  get closed(): boolean {
    return this.#pauses.size > 0;
  }

  /** @param closed  whether there is this reason */
  set(pause: Pause, closed: boolean): void {
    const before = this.closed;
    if (closed) this.#pauses.add(pause);
    else this.#pauses.delete(pause);
    if (this.closed === before) return;
    if (before) this.#socket.resume();
    else this.#socket.pause();
  }
}
