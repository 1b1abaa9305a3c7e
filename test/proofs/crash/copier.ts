/** A process that copies one store into another, and tells after every part of it. Killed by copy.test.ts. */
import { copyBetween } from "../../../src/store-tools.ts";

const [from, to] = process.argv.slice(2) as [string, string];
const copied = await copyBetween(from, to, {
  onProgress: ({ phase }) => void process.send!({ phase }),
  onNote: () => {},
  signal: new AbortController().signal,
});
process.send!({ phase: "done", resumed: copied.resumed });
process.disconnect();
