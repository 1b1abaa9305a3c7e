/** What HTTP says of limits beside an answer: a status, Retry-After, and the fields for clients that mind them. */
import { isMessage, type Message } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import {
  GiveBackLimitResponseSchema,
  type LimitStatus,
  TakeLimitResponseSchema,
  TakeLimitsResponseSchema,
} from "../../../gen/tally/v1/limit_service_pb.ts";

/**
 * The status and headers of an answer about limits; undefined for any other.
 *
 * RateLimit-Policy has what does not change from call to call, RateLimit how the limits stand, each one item a take. Where
 * several takes are not allowed, Retry-After is when there is room for all; it is not there where there never is for one.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/
 */
export function limitsTold(
  answer: Message,
): { status: number; headers: Readonly<Record<string, string>> } | undefined {
  const statuses = statusesIn(answer);
  if (statuses === undefined) return undefined;
  const refused = statuses.filter(({ allowed }) => !allowed);
  const waits = refused.map(({ retryAfter }) => retryAfter);
  const known = waits.filter((wait) => wait !== undefined);
  const all = waits.length > 0 && known.length === waits.length;
  const headers = {
    ...(all && { "retry-after": `${Math.max(...known.map(secondsUp))}` }),
    ...fieldsOf(statuses.filter(({ quota }) => quota !== undefined)),
  };
  return { status: refused.length === 0 ? 200 : 429, headers };
}

function statusesIn(answer: Message): readonly LimitStatus[] | undefined {
  if (isMessage(answer, TakeLimitsResponseSchema)) return answer.statuses;
  for (const schema of [TakeLimitResponseSchema, GiveBackLimitResponseSchema])
    if (isMessage(answer, schema)) return [answer.status!];
  return undefined;
}

/** Structured fields (RFC 9651). None for a replay, which knows of no standing. */
function fieldsOf(statuses: readonly LimitStatus[]): Record<string, string> {
  if (statuses.length === 0) return {};
  const policies = statuses.map(({ policy, name, quota, period }) => {
    const w = period === undefined ? "" : `;w=${Math.max(1, secondsUp(period))}`;
    return `${text(policy ?? name)};q=${integer(quota!)}${w}`;
  });
  const limits = statuses.map(({ policy, name, remaining, moreAfter }) => {
    const t = moreAfter === undefined ? "" : `;t=${secondsUp(moreAfter)}`;
    return `${text(policy ?? name)};r=${integer(remaining!)}${t}`;
  });
  return { "ratelimit-policy": policies.join(", "), ratelimit: limits.join(", ") };
}

/** Names and prefixes are printable ASCII already. */
function text(name: string): string {
  return `"${name.replace(/["\\]/g, "\\$&")}"`;
}

/** Of at most 15 digits. */
function integer(amount: bigint): string {
  return `${amount < INTEGER_MAX ? amount : INTEGER_MAX}`;
}

const INTEGER_MAX = 999_999_999_999_999n;

function secondsUp(duration: Duration): number {
  return Math.ceil(durationMs(duration) / 1_000);
}
