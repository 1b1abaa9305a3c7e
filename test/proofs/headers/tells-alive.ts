/**
 * Loaded before a server: on SIGUSR2 it sweeps, and tells what is alive in its main thread, V8's heap and what stands beside it.
 * (What a process has, VmRSS, is mostly what V8 has not swept yet, and what the allocator keeps.)
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const sweep = runInNewContext("gc") as () => void;
let told = 0;
process.on("SIGUSR2", async () => {
  for (let times = 0; times < 3; times++) {
    sweep();
    await new Promise(setImmediate); // What a sweep has found to be free gives up what it had beside the heap.
  }
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`alive ${++told} ${heapUsed + external}\n`);
});
