/**
 * Loaded into a server before everything else: writes down at its end which connections it has accepted, a line each, the
 * client's port and when. To the file that is named behind the `?` of its URL, behind what other servers have written.
 */
import { subscribe } from "node:diagnostics_channel";
import { appendFileSync } from "node:fs";
import type { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  const file = decodeURIComponent(new URL(import.meta.url).search.slice(1));
  const lines: string[] = [];
  subscribe("net.server.socket", (message) => {
    const { socket } = message as { socket: Socket };
    lines.push(`${socket.remotePort} ${Date.now()}\n`);
  });
  process.on("exit", () => appendFileSync(file, lines.join("")));
}
