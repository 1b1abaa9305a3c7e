import { TallyError } from "../../../core/errors.ts";
import type { Told } from "./asking.ts";
import { giveWay } from "./giving-way.ts";

/** How a process tells what it does. */
export interface Answering<Progress> {
  /** Say how far it is. */
  tell(progress: Progress): void;
  /** Aborted when it is to end: it was told to, or whoever asked has ended. */
  readonly signal: AbortSignal;
}

/** Answer what this process is asked, once, giving way to others; it ends by itself when whoever asks does. */
export function answerOnce<Request, Progress, Result>(
  work: (request: Request, answering: Answering<Progress>) => Promise<Result>,
): void {
  const stop = new AbortController();
  process.once("disconnect", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  for (const signal of DECIDED_BY_SERVER) process.on(signal, () => {});
  giveWay();
  const send = (told: Told<Progress, Result>, sent = () => {}) => {
    if (process.connected) process.send!(told, sent);
  };
  process.once("message", async (request) => {
    const answering = { tell: (progress: Progress) => send({ progress }), signal: stop.signal };
    let told: Told<Progress, Result>;
    try {
      told = { result: await work(request as Request, answering) };
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      told = { refused: { code: error.code, message: error.message } };
    }
    send(told, () => process.disconnect());
  });
}

/** Terminals and supervisors send them to all processes. SIGUSR1 would open Node.js's debugger. */
const DECIDED_BY_SERVER: readonly NodeJS.Signals[] = [
  ...(["SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM"] as const),
  ...(["SIGIO", "SIGPWR", "SIGVTALRM", "SIGSTKFLT"] as const),
];
