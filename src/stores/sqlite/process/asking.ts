import { fork } from "node:child_process";
import { type ErrorCode, TallyError } from "../../../core/errors.ts";

/** What the other process tells: any number of times how far it is, and once what came of it. */
export type Told<Progress, Result> = { readonly progress: Progress } | Answer<Result>;

type Answer<Result> =
  | { readonly result: Result }
  | { readonly refused: { readonly code: ErrorCode; readonly message: string } };

/** What another process is to do with files that this one serves. */
export interface Task<Request, Progress> {
  /** What it runs: a module that calls `answerOnce`. */
  readonly module: URL;
  readonly request: Request;
  /** What is said when it ends without an answer: "The backup failed: the process ended with SIGKILL". */
  failed(why: string): string;
  onProgress(progress: Progress): void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * Have something done to files that this process serves by another one: to read them here would be to open them by other
 * means than the connections that have them, and whatever that does to memory and the event loop would be done to callers.
 *
 * @throws TallyError STORE_UNAVAILABLE  with one sentence for the operator; CALL_CANCELLED when it was stopped
 */
export async function askProcess<Request extends object, Progress, Result>({
  module,
  request,
  failed,
  onProgress,
  signal,
}: Task<Request, Progress>): Promise<Result> {
  const child = fork(module, [], {
    // Nothing of what this process was started with: its environment may have secrets, and its flags are its own.
    env: {},
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced", // Sums are bigints.
  });
  const { promise, resolve, reject } = Promise.withResolvers<Answer<Result>>();
  let answer: Answer<Result> | undefined;
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill("SIGTERM");
    killing ??= setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  };
  child.on("message", (message) => {
    const told = message as Told<Progress, Result>;
    if ("progress" in told) onProgress(told.progress);
    else answer = told;
  });
  child.once("error", reject); // It could not be started.
  child.once("exit", (code, by) => {
    clearTimeout(killing);
    if (answer !== undefined) resolve(answer);
    else reject(new Error(`the process ended with ${by ?? `code ${code}`}`));
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    child.send(request, () => {}); // A failure shows as its end.
    const told = await promise;
    if ("refused" in told) throw new TallyError(told.refused.code, told.refused.message);
    return told.result;
  } catch (error) {
    if (signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped", { cause: error });
    if (error instanceof TallyError) throw error;
    throw new TallyError("STORE_UNAVAILABLE", failed((error as Error).message), { cause: error });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What it has made so far is to go; one that does not come to it is killed. */
const STOP_MS = 5_000;
