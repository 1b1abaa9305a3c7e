/**
 * Attacks of attacks.ts against the server on a port, from now on until the process is ended. Says again and again how many
 * connections each has had, a line of JSON.
 *
 *   node test/proofs/http2/attacks/attackers.ts PORT NAME...
 */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause, setImmediate } from "node:timers/promises";
import { ATTACKERS, type Attacker } from "./attacks.ts";

/** Between a connection and the next: an attacker needs some time for it, too. */
const NEXT_MS = 5;
/** So much in one write, as somebody does who is in a hurry. */
const WRITE_BYTES = 64 * 1024;

const [port, names] = [Number(process.argv[2]), process.argv.slice(3)];
const had: Record<string, number> = {};
for (const name of names) {
  const attacker = ATTACKERS[name]!;
  had[name] = 0;
  const speeches = attacker.speeches.map((speech) => [...inWrites(speech())]); // So that to say it costs next to nothing.
  for (let n = 0; n < attacker.connections; n++) void attackAgain(name, attacker, speeches);
}
setInterval(() => console.log(JSON.stringify(had)), 200);

async function attackAgain(
  name: string,
  attacker: Attacker,
  speeches: readonly (readonly Buffer[])[],
): Promise<void> {
  for (;;) {
    const speech = speeches[had[name]!++ % speeches.length]!;
    await attackOnce(attacker, speech);
    await pause(NEXT_MS);
  }
}

async function attackOnce({ reads, hangsUp }: Attacker, speech: readonly Buffer[]): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  if (reads) socket.resume();
  for (const bytes of speech) {
    if (!socket.writable) break;
    const taken = socket.write(bytes);
    await (taken ? setImmediate() : Promise.race([once(socket, "drain").catch(() => {}), closed]));
  }
  if (hangsUp) socket.destroySoon();
  await closed;
}

function* inWrites(pieces: Iterable<Buffer>): Generator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < WRITE_BYTES) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  yield Buffer.concat(waiting);
}
