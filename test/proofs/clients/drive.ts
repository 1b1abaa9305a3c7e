import { isDeepStrictEqual } from "node:util";
import type { Answer, OpenManyCallsClient, Problem } from "../../doors/clients/client.ts";
import { History } from "../crash/history.ts";
import { PATIENT_MS, type Planned } from "./workload.ts";

/** What came of the calls of one client. */
export interface Seen {
  readonly calls: number;
  /** What the changes have added that were acknowledged, at the first call or when they were asked about again. */
  readonly acknowledged: bigint;
  /** Errors that had to be or could be, by their status. */
  readonly errors: ReadonlyMap<string, number>;
  /** Of the calls that ended without an answer, how many had counted, and how many had not. */
  readonly hadCounted: number;
  readonly hadNot: number;
  readonly faults: readonly string[];
}

/** Calls that are under way at a time: on one connection, unless the client makes more. */
const AT_ONCE = 64;
/** How a call may end that was given up, or had no time, as its client or the server was first to notice. */
const GIVEN_UP = ["CANCELLED", "DEADLINE_EXCEEDED"];

interface Outcome {
  readonly name: string;
  readonly value?: string;
  readonly previous?: string;
  readonly revision: string;
}

/**
 * Make the calls. What ends without an answer is sent once more under its request id, which tells whether it had counted,
 * and has it counted now if it had not. So in the end each change has an answer, whose revision and values must follow from
 * each other without a gap.
 *
 * @param proxied  whether something stands in front that may cut short what was answered early
 */
export async function drive(
  client: OpenManyCallsClient,
  planned: readonly Planned[],
  proxied: boolean,
): Promise<Seen> {
  const history = new History();
  const errors = new Map<string, number>();
  const faults: string[] = [];
  let [acknowledged, hadCounted, hadNot] = [0n, 0, 0];

  const fault = (call: Planned, answer: Answer) => {
    const { kind, method, requestId = "" } = call;
    faults.push(`${kind}: ${method} ${requestId}: ${JSON.stringify(answer).slice(0, 300)}`);
  };
  const make = async (call: Planned) => {
    const startUs = nowUs();
    const first = await client.call(call.method, call.request, call.how);
    if ("error" in first) {
      const { status } = first.error;
      errors.set(status, (errors.get(status) ?? 0) + 1);
      if (isExpected(first.error, call, proxied)) return;
      if (!mayBeGivenUp(call) || !GIVEN_UP.includes(status)) fault(call, first);
      if (first.error.reason !== undefined && first.error.reason !== "DEADLINE_PASSED") return;
    } else if (call.refused !== undefined || (call.kind === "read" && !isFull(first.ok))) {
      return fault(call, first);
    }
    if (call.adds === undefined) return;
    const answer = "ok" in first ? first : await client.call(call.method, call.request, patient(call));
    if (!("ok" in answer)) return fault(call, answer);
    const { outcomes, replayed } = outcomesOf(answer.ok);
    if ("error" in first) {
      if (replayed) hadCounted++;
      else hadNot++;
      // Which says that it was certainly not applied.
      if (replayed && first.error.reason !== undefined) fault(call, first);
    }
    if (outcomes.length !== call.adds.length) return fault(call, answer);
    for (const [i, { name, amount }] of call.adds.entries()) {
      const { value = "0", previous = "0", revision } = outcomes[i]!;
      const told = { revision: Number(revision), value: BigInt(value), previous: BigInt(previous) };
      const id = `${call.requestId}/${i}`;
      history.add({ name, asked: { verb: "add", amount }, told, startUs, endUs: nowUs(), id });
      acknowledged += amount;
    }
  };

  const calls = planned.values();
  const worker = async () => {
    for (const call of calls) await make(call);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const { kind, text } of history.check()) faults.push(`${kind}: ${text}`);
  return { calls: planned.length, acknowledged, errors, hadCounted, hadNot, faults };
}

function isExpected(got: Problem, { refused }: Planned, proxied: boolean): boolean {
  if (refused === undefined || got.reason !== refused.reason) return false;
  // haproxy resets what is left of a request that was answered before it was whole, with either engine behind it. gRPC's C
  // core makes a cancellation of that, with the details of the answer.
  const cut = proxied && got.reason === "MESSAGE_TOO_LARGE" && got.status === "CANCELLED";
  return (cut || got.status === refused.status) && isDeepStrictEqual(got.metadata, refused.metadata);
}

function mayBeGivenUp({ kind }: Planned): boolean {
  return kind === "deadline" || kind === "cancel";
}

function patient({ how: { cancelAfterMs: _, ...how } }: Planned) {
  return { ...how, timeoutMs: PATIENT_MS };
}

/** Reads are of the counter that is full, and stays so. */
function isFull(ok: unknown): boolean {
  return (ok as { counter?: { value?: string } }).counter?.value === "10";
}

function outcomesOf(ok: unknown): { outcomes: readonly Outcome[]; replayed: boolean } {
  const { outcome, outcomes } = ok as { outcome?: Outcome & { replayed?: boolean }; outcomes?: Outcome[] };
  return { outcomes: outcomes ?? [outcome!], replayed: outcome?.replayed ?? false };
}

function nowUs(): number {
  return performance.now() * 1_000;
}
