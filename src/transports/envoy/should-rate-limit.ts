import { create, toBinary } from "@bufbuild/protobuf";
import type { RateLimitDescriptor } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts";
import {
  RateLimitResponse_Code as Code,
  type RateLimitRequest,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
  RateLimitService,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { INT64_MAX } from "../../core/int64.ts";
import type { Verdict } from "../../core/limits.ts";
import { type Op, Verb } from "../../core/op.ts";
import { Permission } from "../../core/permissions.ts";
import type { Writer } from "../../service/writer.ts";
import { charged, opDenial, toCall } from "../calls/by-caller.ts";
import { about, type CallContext, type Refused, tooLarge, type UnaryMethod } from "../calls/call.ts";
import { submitTakes } from "../calls/limits.ts";
import { permissionOf } from "../calls/permissions.ts";
import { invalidField, readRequest } from "../calls/shape.ts";
import { counterName } from "./counter-name.ts";
import { statusOf } from "./limit-shown.ts";
import { overrideFault, overrideOf } from "./override.ts";

/**
 * Envoy's rate limit service, over the takes of limits: each descriptor is a take from the counter that it stands for, or
 * gives back to it. All or nothing: what one descriptor has no room for consumes nothing of the others. Where there is no
 * limit, there is room.
 */
export function shouldRateLimit(writer: Writer, requestBytesMax: number): UnaryMethod {
  const method = RateLimitService.method.shouldRateLimit;
  return {
    method,
    changes: true,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const read = readRequest(RateLimitRequestSchema, bytes);
      if ("code" in read) return read;
      const fault = faultIn(read.message);
      if (fault !== undefined) return fault;
      const ops = read.message.descriptors.map((descriptor) => opFor(descriptor, read.message));
      for (const op of ops) {
        const needed = op.verb === Verb.TAKE ? permissionOf(method) : Permission.DECREMENT;
        const denied = opDenial(context.access, needed, op);
        if (denied !== undefined) return denied;
      }
      const limited = charged(context.access, ops.length);
      if (limited !== undefined) return limited;
      const verdicts = await judge(writer, ops, context);
      if ("code" in verdicts) return verdicts;
      const statuses = verdicts.map(statusOf);
      const overallCode = statuses.every(({ code }) => code === Code.OK) ? Code.OK : Code.OVER_LIMIT;
      return toBinary(RateLimitResponseSchema, create(RateLimitResponseSchema, { overallCode, statuses }));
    },
  };
}

/** What is wrong with a request: it has no rules of its own in its .proto here. */
function faultIn({ domain, descriptors }: RateLimitRequest): Refusal | undefined {
  if (domain === "") return invalidField("domain", "must be given", undefined);
  const count = descriptors.length;
  if (count === 0 || count > DESCRIPTORS_MAX)
    return invalidField("descriptors", `must be 1 to ${DESCRIPTORS_MAX}`, count);
  for (const [i, { entries, limit }] of descriptors.entries()) {
    if (entries.length === 0) return invalidField(`descriptors[${i}].entries`, "must be given", undefined);
    const nameless = entries.findIndex(({ key }) => key === "");
    if (nameless !== -1)
      return invalidField(`descriptors[${i}].entries[${nameless}].key`, "must be given", undefined);
    const expected = limit && overrideFault(limit);
    if (expected !== undefined) return invalidField(`descriptors[${i}].limit`, expected, undefined);
  }
  return undefined;
}

/** More than anybody configures for a route. */
const DESCRIPTORS_MAX = 64;

/**
 * The request's own 0 hits stand for 1, because there 0 and nothing are the same; a descriptor's are meant: whether there
 * is room, and nothing is taken.
 */
function opFor(descriptor: RateLimitDescriptor, { domain, hitsAddend }: RateLimitRequest): Op {
  const { entries, hitsAddend: own, isNegativeHits, limit } = descriptor;
  const hits = own ?? BigInt(hitsAddend || 1);
  const amount = hits < INT64_MAX ? hits : INT64_MAX;
  const verb = isNegativeHits && amount > 0n ? Verb.GIVE_BACK : Verb.TAKE;
  const override = limit && overrideOf(limit);
  const name = counterName(domain, entries, override?.text);
  return {
    verb,
    name,
    amount,
    mustExist: false,
    settings: verb === Verb.TAKE ? override?.settings : undefined,
  };
}

/** The verdict on each operation; or why nobody could judge. What gives back is always fine, and by itself. */
async function judge(writer: Writer, ops: readonly Op[], context: CallContext): Promise<Verdict[] | Refused> {
  const takes = ops.filter(({ verb }) => verb === Verb.TAKE);
  const givingBack = ops
    .filter((op) => !takes.includes(op))
    .map((op) => writer.submit(toCall(context, { requestId: undefined, ops: op, allOrNothing: false })));
  const taken = takes.length === 0 ? undefined : await submitTakes(writer, takes, "take", undefined, context);
  const given = await Promise.all(givingBack);
  if (taken !== undefined && "code" in taken)
    return taken.index === undefined ? taken : about(takes[taken.index]!.name, taken);
  let [take, giveBack] = [0, 0];
  const verdicts: Verdict[] = [];
  for (const op of ops) {
    if (op.verb === Verb.TAKE) verdicts.push(taken!.outcomes.verdicts.get(taken!.first + take++)!);
    else {
      const settled = given[giveBack++]!;
      if (!("code" in settled)) verdicts.push(settled.outcomes.verdicts.get(settled.first)!);
      else if (OF_ITS_COUNTER.has(settled.code))
        verdicts.push({ allowed: true, over: false, limit: undefined });
      else return about(op.name, settled);
    }
  }
  return verdicts;
}

/** Why a counter takes nothing back, which nobody who calls can do anything about. */
const OF_ITS_COUNTER: ReadonlySet<Refusal["code"]> = new Set<Refusal["code"]>([
  "LIMIT_NOT_FOUND",
  "MONOTONIC",
]);
