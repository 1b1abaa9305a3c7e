/**
 * A thread that runs a bundle for one store after another, each time from its first line: it takes a hundredth of what a new
 * thread takes, for what was compiled is kept. A bundle for CommonJS is a function, and is given its own port and timers.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";
import workerThreads, { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Loan, RETURNED } from "./loan.ts";

const bundle = fileURLToPath(workerData as string);
const require = createRequire(bundle);
const run = compileFunction(
  readFileSync(bundle, "utf8"),
  ["require", "exports", "module", "setInterval", "setTimeout"],
  { filename: bundle },
);

let loan: { readonly port: MessagePort; readonly timers: NodeJS.Timeout[] };

parentPort!.on("message", (message: Loan | typeof RETURNED) => {
  if (message === RETURNED) {
    loan.port.close();
    for (const timer of loan.timers) clearTimeout(timer);
    parentPort!.postMessage(RETURNED);
    return;
  }
  const { port, data } = message;
  const timers: NodeJS.Timeout[] = [];
  loan = { port, timers };
  const kept =
    <Args extends never[]>(start: (...args: Args) => NodeJS.Timeout) =>
    (...args: Args) => {
      const timer = start(...args);
      timers.push(timer);
      return timer;
    };
  const ofTheLoan = { ...workerThreads, parentPort: port, workerData: data };
  const module = { exports: {} };
  run(
    (id: string) => (id === "node:worker_threads" ? ofTheLoan : require(id)),
    module.exports,
    module,
    ...[kept(setInterval), kept(setTimeout)],
  );
});
