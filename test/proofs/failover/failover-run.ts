import { freePort } from "../../support/free-port.ts";
import { Callers } from "../crash/callers.ts";
import { type Random, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { checkStore, type Stored } from "../crash/stored.ts";
import { Pair } from "./pair.ts";

export interface FailoverOptions {
  readonly promotions: number;
  /** How many connections are cut at COMMIT, half of them before the server has it. */
  readonly cuts: number;
  readonly seed: number;
  /** Takes lines that say how far the run is. */
  readonly progress: (line: string) => void;
}

export interface FailoverReport {
  /** By promotion: how many attempts got no answer, or one that says that its outcome is unknown. */
  readonly unknownByPromotion: readonly number[];
  readonly cuts: { readonly before: number; readonly after: number };
  readonly callers: Callers;
  readonly stored: Stored;
}

/** How long everything works between two promotions. */
const RUN_MS = [300, 1_500] as const;
/** One COMMIT in this many meets its end at the proxy, while it is to cut some. */
const CUT_ONE_IN = 8;
/** Nothing that is meant to happen takes as long. */
const STALLED_MS = 240_000;

/**
 * Lose the primary again and again under clients that retry until they are answered, then cut connections at COMMIT,
 * and check that every counter did exactly what its callers were told.
 */
export async function failoverRun(options: FailoverOptions): Promise<FailoverReport> {
  const random = seededRandom(options.seed);
  const pair = await Pair.start();
  const port = await freePort();
  const server = new ServerProcess({ port, store: pair.url });
  const callers = new Callers(port, random);
  try {
    await server.ready();
    await callers.makeCounters();
    callers.work();
    const unknownByPromotion = await promotions(pair, callers, random, options);
    const cuts = await cutAtCommit(pair, callers, random, options);
    await callers.readAll();
    const { code } = await server.stop();
    if (code !== 0) {
      const text = `SIGTERM ended the server with ${code}:\n${server.output}`;
      callers.violations.push({ kind: "answer", text });
    }
    const stored = await checkStore(pair.url, callers.account);
    for (const text of stored.faults) callers.violations.push({ kind: "value", text });
    return { unknownByPromotion, cuts, callers, stored };
  } catch (error) {
    const found = callers.violations.map(({ kind, text }) => `${kind}: ${text}\n`).join("");
    throw new Error(`${found}the server said:\n${server.output}`, { cause: error });
  } finally {
    callers.close();
    if (server.running) await server.kill();
    await pair.stop();
  }
}

async function promotions(
  pair: Pair,
  callers: Callers,
  random: Random,
  { promotions, progress }: FailoverOptions,
): Promise<number[]> {
  const unknownByPromotion: number[] = [];
  while (unknownByPromotion.length < promotions && callers.violations.length === 0) {
    await answersCome(callers);
    await pause(random.between(...RUN_MS));
    const before = unknown(callers);
    await pair.failOver({ early: random.fraction() < 0.5 });
    await pair.addStandby();
    await answersCome(callers);
    unknownByPromotion.push(unknown(callers) - before);
    await callers.check();
    callers.work();
    const { calls, replays } = callers.tally;
    progress(
      `${unknownByPromotion.length} promotions, ${calls} calls, ${replays.afterNoAnswer} replays, ${callers.violations.length} violations`,
    );
  }
  return unknownByPromotion;
}

async function cutAtCommit({ proxy }: Pair, callers: Callers, random: Random, { cuts }: FailoverOptions) {
  const done = { before: 0, after: 0 };
  proxy.fateOf = () => {
    if (done.before + done.after === cuts || random.between(1, CUT_ONE_IN) !== 1) return "pass";
    const when = done.before <= done.after ? "before" : "after";
    done[when]++;
    return `cut ${when}`;
  };
  while (done.before + done.after < cuts && callers.violations.length === 0) await answersCome(callers);
  proxy.fateOf = () => "pass"; // Who looks at the database in the end is not cut off.
  await answersCome(callers);
  await callers.check();
  return done;
}

/** How many attempts their callers cannot know the outcome of. */
function unknown({ tally }: Callers): number {
  return tally.unanswered + (tally.refusals.get("OUTCOME_UNKNOWN") ?? 0);
}

async function answersCome({ tally }: Callers): Promise<void> {
  const { calls } = tally;
  for (const deadline = Date.now() + STALLED_MS; tally.calls === calls; await pause(5)) {
    if (Date.now() > deadline) throw new Error(`nobody was answered for ${STALLED_MS} ms`);
  }
}
