import type { Socket } from "node:net";
import type { Metrics } from "../telemetry/metrics.ts";

/** What is measured of connections: how many are open, and the bytes that came and went on all there were. */
export class Traffic {
  readonly #open = new Set<Socket>();
  /** Of those that are closed. */
  #received = 0;
  #sent = 0;
  readonly #forget: () => void;

  /** @param openStreams  how many streams are open */
  constructor(metrics: Metrics, openStreams: () => number) {
    const { numbers } = metrics;
    const connections = metrics.placeOf("openConnections", {});
    const streams = metrics.placeOf("openStreams", {});
    const received = metrics.placeOf("receivedBytes", {});
    const sent = metrics.placeOf("sentBytes", {});
    this.#forget = metrics.beforeRead(() => {
      numbers[connections] = this.#open.size;
      numbers[streams] = openStreams();
      numbers[received] = this.#received;
      numbers[sent] = this.#sent;
      for (const { bytesRead, bytesWritten } of this.#open) {
        numbers[received]! += bytesRead;
        numbers[sent]! += bytesWritten;
      }
    });
  }

  /** One was accepted. */
  add(socket: Socket): void {
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#received += socket.bytesRead;
      this.#sent += socket.bytesWritten;
    });
  }

  close(): void {
    this.#forget();
  }
}
