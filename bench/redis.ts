import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** Send one inline command and QUIT; @returns the reply as it came, without QUIT's and the last line break. */
export async function askRedis(port: number, command: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(`${command}\r\nQUIT\r\n`);
  return (await text(socket)).replace(/\r\n\+OK\r\n$/, "");
}
