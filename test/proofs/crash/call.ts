import { create } from "@bufbuild/protobuf";
import { type Counter, OnBound, type Outcome } from "../../../gen/tally/v1/counter_pb.ts";
import {
  BatchApplyRequestSchema,
  CounterService,
  CreateCounterRequestSchema,
  DecrementRequestSchema,
  DeleteCounterRequestSchema,
  GetCounterRequestSchema,
  IncrementRequestSchema,
  type OperationOutcome,
  ResetRequestSchema,
  SetRequestSchema,
  UpdateCounterRequestSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import {
  GiveBackLimitRequestSchema,
  LimitService,
  TakeLimitRequestSchema,
  TakeLimitsRequestSchema,
} from "../../../gen/tally/v1/limit_service_pb.ts";
import { PolicyService, SetPolicyRequestSchema } from "../../../gen/tally/v1/policy_service_pb.ts";
import type { Answer, Connection } from "./connection.ts";
import type { Asked, Rules, Told } from "./history.ts";
import { BY_POLICY, isIdle, timeSettingsOf } from "./timed-counters.ts";
import type { Plan, Step } from "./workload.ts";

/** What one attempt was told: a Told for each step, or why nothing of the call was applied. */
export type CallAnswer =
  | { readonly ok: true; readonly told: readonly Told[]; readonly replayed: boolean }
  | Exclude<Answer<never>, { ok: true }>;

/** Send a plan under a request id, once. @throws Unanswered */
export async function attempt(
  connection: Connection,
  plan: Plan,
  requestId: string,
  rules: (name: string) => Rules,
): Promise<CallAnswer> {
  switch (plan.kind) {
    case "batch":
      return applyBatch(connection, plan, requestId);
    case "takes":
      return takeAll(connection, plan, requestId);
    case "policy":
      return setPolicy(connection, plan);
    case "single":
      return applyOne(connection, plan, requestId, rules(plan.name));
  }
}

async function applyOne(
  connection: Connection,
  { name, asked }: Step,
  requestId: string,
  rules: Rules,
): Promise<CallAnswer> {
  const { method } = CounterService;
  switch (asked.verb) {
    case "add": {
      const { amount } = asked;
      return amount > 0n
        ? changed(
            await connection.call(
              method.increment,
              create(IncrementRequestSchema, { name, amount, requestId }),
            ),
          )
        : changed(
            await connection.call(
              method.decrement,
              create(DecrementRequestSchema, { name, amount: -amount, requestId }),
            ),
          );
    }
    case "set":
      return changed(
        await connection.call(method.set, create(SetRequestSchema, { name, value: asked.value, requestId })),
      );
    case "reset":
      return changed(await connection.call(method.reset, create(ResetRequestSchema, { name, requestId })));
    case "create": {
      const { initial, min, max, clamp } = rules;
      const onBound = clamp ? OnBound.CLAMP : OnBound.REJECT;
      const time = timeSettingsOf(name);
      const request = { name, value: asked.value, initial, min, max, onBound, ...time, requestId };
      const answer = await connection.call(method.createCounter, create(CreateCounterRequestSchema, request));
      return answer.ok ? counterTold(answer.message.counter!, answer.message.replayed) : answer;
    }
    case "update": {
      const request = { name, requestId, ...settingsOf(asked.mark) };
      const answer = await connection.call(method.updateCounter, create(UpdateCounterRequestSchema, request));
      return answer.ok ? counterTold(answer.message.counter!, answer.message.replayed) : answer;
    }
    case "delete": {
      const request = create(DeleteCounterRequestSchema, { name, requestId, keepHistory: asked.keepHistory });
      const answer = await connection.call(method.deleteCounter, request);
      if (!answer.ok) return answer;
      const { value, revision, uid, replayed } = answer.message;
      return { ok: true, told: [{ value, revision: Number(revision), uid }], replayed };
    }
    case "take": {
      const ifMissing = isIdle(name) ? { max: rules.max, ...timeSettingsOf(name) } : undefined;
      const request = { name, amount: asked.amount, requestId, ifMissing };
      const answer = await connection.call(
        LimitService.method.takeLimit,
        create(TakeLimitRequestSchema, request),
      );
      if (!answer.ok) return answer;
      const { allowed, replayed } = answer.message;
      return { ok: true, told: [taken(allowed, asked.amount)], replayed };
    }
    case "give back": {
      const request = create(GiveBackLimitRequestSchema, { name, amount: asked.amount, requestId });
      const answer = await connection.call(LimitService.method.giveBackLimit, request);
      if (!answer.ok) return answer;
      const { givenBack, replayed } = answer.message;
      return { ok: true, told: [{ moved: -givenBack }], replayed };
    }
    case "read": {
      const answer = await connection.call(method.getCounter, create(GetCounterRequestSchema, { name }));
      return answer.ok ? counterTold(answer.message.counter!, false) : answer;
    }
  }
}

async function takeAll(
  connection: Connection,
  { takes }: Extract<Plan, { kind: "takes" }>,
  requestId: string,
): Promise<CallAnswer> {
  const request = create(TakeLimitsRequestSchema, { takes: [...takes], requestId });
  const answer = await connection.call(LimitService.method.takeLimits, request);
  if (!answer.ok) return answer;
  const { allowed, replayed } = answer.message;
  return { ok: true, told: takes.map(({ amount }) => taken(allowed, amount)), replayed };
}

function taken(allowed: boolean, amount: bigint): Told {
  return allowed ? { moved: amount } : { refused: "not allowed" };
}

/** The same again changes nothing, so it needs no request id. */
async function setPolicy(
  connection: Connection,
  { max }: Extract<Plan, { kind: "policy" }>,
): Promise<CallAnswer> {
  const settings = { max, ...timeSettingsOf(BY_POLICY), idleTtl: {} };
  const request = create(SetPolicyRequestSchema, { prefix: BY_POLICY, settings });
  const answer = await connection.call(PolicyService.method.setPolicy, request);
  return answer.ok ? { ok: true, told: [], replayed: false } : answer;
}

function changed(answer: Answer<{ outcome?: Outcome | undefined }>): CallAnswer {
  if (!answer.ok) return answer;
  const { value, previous, revision, etag, replayed } = answer.message.outcome!;
  return { ok: true, told: [{ value, previous, revision: Number(revision), uid: uidOf(etag) }], replayed };
}

function counterTold(counter: Counter, replayed: boolean): CallAnswer {
  const { value, revision, uid, settingsRevision } = counter;
  const settings = { revision: Number(settingsRevision), mark: markIn(counter) };
  return { ok: true, told: [{ value, revision: Number(revision), uid, settings }], replayed };
}

/** Settings that go together, and do not get in the way of counting: a mark in each. */
function settingsOf(mark: bigint) {
  return { max: FAR + mark, labels: { mark: `${mark}` }, description: `${mark}` };
}

/** The mark of the last update; of settings that do not go together a number that nobody gave. */
function markIn({ max, labels, description }: Counter): bigint {
  if (description === "") return 0n;
  const mark = BigInt(description);
  return labels.mark === description && max === FAR + mark ? mark : -1n;
}

const FAR = 2n ** 60n;

/** An etag is opaque to callers; this test knows that it begins with the uid. */
function uidOf(etag: string): string {
  return etag.slice(0, etag.lastIndexOf("."));
}

async function applyBatch(
  connection: Connection,
  { steps, allOrNothing }: Extract<Plan, { kind: "batch" }>,
  requestId: string,
): Promise<CallAnswer> {
  const operations = steps.map(({ name, asked }) => ({ name, action: actionOf(asked) }));
  const request = create(BatchApplyRequestSchema, { operations, requestId, allOrNothing });
  const answer = await connection.call(CounterService.method.batchApply, request);
  if (!answer.ok) return answer;
  const { outcomes, replayed } = answer.message;
  const names = outcomes.map(({ name }) => name);
  if (names.length !== steps.length || names.some((name, i) => name !== steps[i]!.name)) {
    throw new TypeError(`expected outcomes of ${steps.map(({ name }) => name)}, got of ${names}`);
  }
  return { ok: true, told: outcomes.map(toTold), replayed };
}

function actionOf(asked: Asked) {
  switch (asked.verb) {
    case "add":
      return asked.amount > 0n
        ? ({ case: "increment", value: asked.amount } as const)
        : ({ case: "decrement", value: -asked.amount } as const);
    case "set":
      return { case: "set", value: asked.value } as const;
    case "reset":
      return { case: "reset", value: true } as const;
    default:
      throw new TypeError(`expected a verb that a batch has, got ${asked.verb}`);
  }
}

function toTold({ value, previous, revision, refusal }: OperationOutcome): Told {
  if (refusal === undefined) return { value, previous, revision: Number(revision) };
  return toRefused(refusal.reason, refusal.metadata);
}

export function toRefused(reason: string, metadata: Readonly<Record<string, string>>): Told {
  return { refused: reason, value: metadata.value === undefined ? undefined : BigInt(metadata.value) };
}
