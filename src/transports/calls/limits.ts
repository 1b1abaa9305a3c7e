import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  GiveBackLimitResponseSchema,
  LimitService,
  type LimitStatusSchema,
  type LimitTake,
  TakeLimitRequestSchema,
  TakeLimitResponseSchema,
  TakeLimitsRequestSchema,
  TakeLimitsResponseSchema,
} from "../../../gen/tally/v1/limit_service_pb.ts";
import { toColumns } from "../../core/columns.ts";
import type { Refusal } from "../../core/errors.ts";
import { INT64_MAX } from "../../core/int64.ts";
import type { Verdict } from "../../core/limits.ts";
import { type Op, Verb } from "../../core/op.ts";
import { Permission } from "../../core/permissions.ts";
import type { Settled } from "../../service/call.ts";
import type { Writer } from "../../service/writer.ts";
import { asPermitted, charged, opDenial, toCall } from "./by-caller.ts";
import { about, type CallContext, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { opMethod } from "./counting.ts";
import { permissionOf } from "./permissions.ts";
import { ifMissingOf } from "./setting-fields.ts";
import { FIELD_RULES, inPart, invalidField, joined, readRequest } from "./shape.ts";
import { instantFault, timestampOf } from "./time-fields.ts";

/** TakeLimit: one take, answered by whether there was room. */
export function takeLimit(writer: Writer, requestBytesMax: number): UnaryMethod {
  const method = LimitService.method.takeLimit;
  return {
    method,
    changes: true,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(TakeLimitRequestSchema, bytes);
      if ("code" in request) return request;
      const taken = await takeAll(writer, [request.message], () => "", request.message, method, context);
      if (!("code" in taken)) {
        const { allowed, statuses, replayed } = taken;
        const response = { allowed, status: statuses[0]!, replayed };
        return toBinary(TakeLimitResponseSchema, create(TakeLimitResponseSchema, response));
      }
      const { index: _, ...refused } = taken; // It is the only one.
      return refused;
    },
  };
}

/** TakeLimits: takes that stand together or not at all, each answered likewise. */
export function takeLimits(writer: Writer, requestBytesMax: number): UnaryMethod {
  const method = LimitService.method.takeLimits;
  return {
    method,
    changes: true,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(TakeLimitsRequestSchema, bytes);
      if ("code" in request) return request;
      const { takes } = request.message;
      const taken = await takeAll(writer, takes, (i) => `takes[${i}]`, request.message, method, context);
      if ("code" in taken) return taken;
      return toBinary(TakeLimitsResponseSchema, create(TakeLimitsResponseSchema, taken));
    },
  };
}

/** GiveBackLimit: one operation, answered by how much it gave back. */
export const GIVE_BACK_LIMIT = opMethod({
  method: LimitService.method.giveBackLimit,
  toOp: ({ name, amount, windowStart }) => {
    const fault = instantFault("window_start", windowStart);
    if (fault !== undefined) return fault;
    const began = windowStart && timestampMs(windowStart);
    return { verb: Verb.GIVE_BACK, name, amount, mustExist: true, windowStart: began };
  },
  respond: ({ name }, { outcomes, c, first }) => {
    const response = create(GiveBackLimitResponseSchema, {
      givenBack: outcomes.previous[first]! - outcomes.values[first]!,
      status: statusOf(name, outcomes.verdicts.get(first) ?? REPLAYED),
      replayed: outcomes.replayed[c] === 1,
    });
    return toBinary(GiveBackLimitResponseSchema, response);
  },
});

/** Of what gives back, a replay knows no more than that it did. */
const REPLAYED: Verdict = { allowed: true, over: false, limit: undefined };

type Status = MessageInitShape<typeof LimitStatusSchema>;

/** What became of some takes. */
interface Taken {
  readonly allowed: boolean;
  readonly statuses: Status[];
  readonly replayed: boolean;
}

/** @param at  the path of a take in the request, by its index */
async function takeAll(
  writer: Writer,
  takes: readonly Pick<LimitTake, "name" | "amount" | "ifMissing">[],
  at: (i: number) => string,
  { requestId, dryRun }: { readonly requestId?: string | undefined; readonly dryRun: boolean },
  method: UnaryMethod["method"],
  context: CallContext,
): Promise<Taken | Refused> {
  const nothing = dryRun ? -1 : takes.findIndex(({ amount }) => amount === 0n);
  if (nothing !== -1) return invalidField(joined(at(nothing), "amount"), FIELD_RULES.amount!, 0n);
  const ops: Op[] = [];
  for (const [i, { name, amount = 1n, ifMissing }] of takes.entries()) {
    const settings = ifMissingOf(ifMissing);
    if (settings !== undefined && "code" in settings) return inPart(at(i), settings);
    ops.push({ verb: Verb.TAKE, name, amount, mustExist: true, settings });
  }
  const needed = dryRun ? Permission.READ : permissionOf(method);
  for (const [index, op] of ops.entries()) {
    const denied = opDenial(context.access, needed, op);
    if (denied !== undefined) return { ...denied, index };
  }
  const limited = charged(context.access, ops.length);
  if (limited !== undefined) return limited;
  const settled = await submitTakes(
    writer,
    ops,
    dryRun ? "dry run" : "take",
    dryRun ? undefined : requestId,
    context,
  );
  if ("code" in settled) {
    const { index, field } = settled;
    if (index !== undefined) return about(ops[index]!.name, inPart(at(index), settled));
    return field !== undefined && TAKE_FIELDS.has(field)
      ? { ...settled, field: joined(at(0), field) } // Under its request id there was another one.
      : settled;
  }
  const { outcomes, c, first } = settled;
  const statuses = ops.map(({ name }, i) => {
    const over = outcomes.refusals.has(first + i); // All that a replay has of it.
    return statusOf(name, outcomes.verdicts.get(first + i) ?? { allowed: true, over, limit: undefined });
  });
  return {
    allowed: statuses.every(({ allowed }) => allowed),
    statuses,
    replayed: outcomes.replayed[c] === 1,
  };
}

const TAKE_FIELDS: ReadonlySet<string> = new Set(["name", "amount", "if_missing"]);

/** Have takes judged together, and made if all have room. Whether they may be made has been asked. */
export function submitTakes(
  writer: Writer,
  ops: readonly Op[],
  takes: "take" | "dry run",
  requestId: string | undefined,
  context: CallContext,
): Promise<Settled | Refusal> {
  const columns = toColumns(ops.map((op) => asPermitted(op, context.access)));
  return writer.submit(toCall(context, { requestId, ops: columns, allOrNothing: false, takes }));
}

/** How a limit stands, as the API says it. */
function statusOf(name: string, { allowed, over, limit }: Verdict): Status {
  if (limit === undefined) return { name, allowed, over };
  const { max, quota, remaining, periodMs, moreAfterMs, retryAfterMs, resetTime, windowStart, policy } =
    limit;
  return {
    name,
    allowed,
    over,
    max,
    remaining: atMost(remaining),
    quota: atMost(quota),
    retryAfter: durationOf(retryAfterMs),
    period: durationOf(periodMs),
    moreAfter: durationOf(moreAfterMs),
    resetTime: timestampOf(resetTime),
    windowStart: timestampOf(windowStart),
    policy,
  };
}

function atMost(amount: bigint): bigint {
  return amount < INT64_MAX ? amount : INT64_MAX;
}

function durationOf(ms: number | undefined) {
  return ms === undefined ? undefined : durationFromMs(ms);
}
