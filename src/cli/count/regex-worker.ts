/** The thread of a RegexReader: reads lines, and answers what they come to. */
import { parentPort, workerData } from "node:worker_threads";
import { LineReader } from "./lines.ts";
import { regex } from "./picks.ts";
import type { Found, Input } from "./regex-reader.ts";

let names: (string | null | undefined)[] = [];
let tooLong: string[] = [];
const reader = new LineReader(regex(new RegExp(workerData, "u")), {
  name: (bytes) => names.push(bytes),
  empty: () => names.push(null),
  unmatched: () => names.push(undefined),
  tooLong: (beginning) => tooLong.push(beginning),
});

parentPort!.on("message", (asked: Input) => {
  if (asked === "end") reader.end();
  else reader.feed(Buffer.from(asked.buffer, asked.byteOffset, asked.byteLength));
  parentPort!.postMessage({ names, tooLong } satisfies Found);
  names = [];
  tooLong = [];
});
