import { create, toBinary } from "@bufbuild/protobuf";
import {
  BatchGetCountersRequestSchema,
  CounterResultSchema,
  CounterService,
  ListCountersRequestSchema,
  ListCountersResponseSchema,
  SumCountersRequestSchema,
  SumCountersResponseSchema,
  TopCountersRequestSchema,
  TopOrder,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { CORRUPT } from "../../core/batch.ts";
import type { Clock } from "../../core/clock.ts";
import type { Epoch } from "../../core/epoch.ts";
import { counterDamaged } from "../../core/errors.ts";
import type { Selection } from "../../core/selection.ts";
import type { Found } from "../../service/reads.ts";
import type { SerialReads } from "../../service/serial-reads.ts";
import type { Store } from "../../service/store.ts";
import type { CounterPage, Counters } from "../../service/store-pages.ts";
import { writeCounterResult } from "../../wire/counter.ts";
import { toRefusal } from "../status.ts";
import type { Target } from "./authorise.ts";
import type { Refused, UnaryMethod } from "./call.ts";
import { counterBytes } from "./counters.ts";
import { fromPageToken, toPageToken } from "./page-token.ts";
import { readCall, SCAN_COST } from "./read-call.ts";
import { Reply, replyTooLarge } from "./reply.ts";
import { invalidField } from "./shape.ts";
import { Slices } from "./slices.ts";

/**
 * What the reads of many counters need. A page of 1,000 takes this thread as long as the one that reads it: so the next is
 * read while it is encoded, in slices.
 */
export interface ManyCounters {
  readonly store: Store;
  readonly clock: Clock;
  /** For reads of at most 1,000 counters. */
  readonly pages: SerialReads;
  /** For those that look at all. */
  readonly scans: SerialReads;
}

/** BatchGetCounters: counters by their names, in the order asked. */
export function batchGetCounters(
  { store, pages, clock }: ManyCounters,
  requestBytesMax: number,
): UnaryMethod {
  const method = CounterService.method.batchGetCounters;
  return readCall(method, BatchGetCountersRequestSchema, requestBytesMax, namesOf, ({ names }, context) =>
    pages.run(
      context,
      () => store.get(names),
      (found) => wholeReply(found, (one, i) => resultBytes(names[i]!, one, store.epoch), clock),
    ),
  );
}

/** ListCounters: a page of counters, in the order of their names. */
export function listCounters({ store, pages, clock }: ManyCounters, requestBytesMax: number): UnaryMethod {
  const method = CounterService.method.listCounters;
  return readCall(method, ListCountersRequestSchema, requestBytesMax, prefixOf, async (request, context) => {
    const { prefix, labels, pageSize = PAGE_SIZE, pageToken } = request;
    const selection = { prefix, labels };
    const from = pageToken === "" ? "" : fromPageToken(pageToken, selection, store.epoch);
    if (from === undefined) return invalidField("page_token", NOT_OF_THIS_LIST, pageToken);
    return pages.run(
      context,
      () => store.list(selection, from, pageSize),
      (page) => listResponse(page, selection, store.epoch, clock),
    );
  });
}

/** TopCounters: those with the highest or lowest values. */
export function topCounters({ store, scans, clock }: ManyCounters, requestBytesMax: number): UnaryMethod {
  const method = CounterService.method.topCounters;
  return readCall(
    method,
    TopCountersRequestSchema,
    requestBytesMax,
    prefixOf,
    (request, context) => {
      const { prefix, labels, n = TOP_N } = request;
      const order = request.order === TopOrder.LOWEST ? "lowest" : "highest";
      return scans.run(
        context,
        (signal) => store.top({ prefix, labels }, n, order, signal),
        (found) => topResponse(found, store.epoch, clock),
      );
    },
    () => SCAN_COST,
  );
}

/** SumCounters: how many there are, and what they come to. */
export function sumCounters({ store, scans }: ManyCounters, requestBytesMax: number): UnaryMethod {
  const method = CounterService.method.sumCounters;
  return readCall(
    method,
    SumCountersRequestSchema,
    requestBytesMax,
    prefixOf,
    async ({ prefix, labels }, context) => {
      const found = await scans.run(context, (signal) => store.sum({ prefix, labels }, signal));
      if ("code" in found) return found;
      const { count, sum, lowest, highest, corruptNames } = found;
      if (corruptNames.length > 0) return counterDamaged(corruptNames[0]!);
      const range = lowest === undefined || highest === undefined ? {} : { lowest, highest };
      const response = { count: BigInt(count), sum: `${sum}`, ...range };
      return toBinary(SumCountersResponseSchema, create(SumCountersResponseSchema, response));
    },
    () => SCAN_COST,
  );
}

/** The defaults of ListCountersRequest.page_size and TopCountersRequest.n. */
const PAGE_SIZE = 50;
const TOP_N = 10;

const NOT_OF_THIS_LIST =
  "must be the next_page_token of a list with the same prefix and labels, of the store as it was last restored";

/** Each of the names of a request. */
function namesOf({ names }: { readonly names: readonly string[] }): readonly Target[] {
  return names.map((name) => ({ name }));
}

/** What its prefix takes in. */
function prefixOf({ prefix }: { readonly prefix: string }): readonly Target[] {
  return [{ prefix }];
}

function resultBytes(name: string, found: Found, epoch: Epoch): Uint8Array {
  if (found !== undefined && found !== CORRUPT) return writeCounterResult(name, counterBytes(found, epoch));
  const value = toRefusal(found === CORRUPT ? counterDamaged(name) : { code: "COUNTER_NOT_FOUND" });
  return toBinary(
    CounterResultSchema,
    create(CounterResultSchema, { name, result: { case: "refusal", value } }),
  );
}

/** As much of a page as there is room for; the next one begins at the first counter that is left out. */
async function listResponse(
  page: CounterPage,
  selection: Selection,
  epoch: Epoch,
  clock: Clock,
): Promise<Uint8Array> {
  const reply = new Reply(pageEnd(page.corruptNames, page.next, selection, epoch));
  const fits = await fill(reply, page.counters, (counter) => counterBytes(counter, epoch), clock);
  if (fits === page.counters.length) return reply.finish();
  const counters = page.counters.slice(0, fits);
  const next = page.counters[fits]!.name;
  const corruptNames = page.corruptNames.filter((name) => name < next);
  return listResponse({ counters, corruptNames, next }, selection, epoch, clock);
}

/** All of a ListCountersResponse but its counters. */
function pageEnd(
  corruptNames: readonly string[],
  next: string | undefined,
  selection: Selection,
  epoch: Epoch,
): Uint8Array {
  const nextPageToken = next === undefined ? "" : toPageToken(next, selection, epoch);
  const rest = create(ListCountersResponseSchema, { corruptNames: [...corruptNames], nextPageToken });
  return toBinary(ListCountersResponseSchema, rest);
}

async function topResponse(
  { counters, corruptNames }: Counters,
  epoch: Epoch,
  clock: Clock,
): Promise<Uint8Array | Refused> {
  if (corruptNames.length > 0) return counterDamaged(corruptNames[0]!);
  return wholeReply(counters, (counter) => counterBytes(counter, epoch), clock);
}

/** A response of all of these, or of none. */
async function wholeReply<One>(
  all: readonly One[],
  bytesOf: (one: One, i: number) => Uint8Array,
  clock: Clock,
): Promise<Uint8Array | Refused> {
  const reply = new Reply();
  return (await fill(reply, all, bytesOf, clock)) === all.length ? reply.finish() : replyTooLarge();
}

/** Add one after another while there is room. @returns  how many had it */
async function fill<One>(
  reply: Reply,
  all: readonly One[],
  bytesOf: (one: One, i: number) => Uint8Array,
  clock: Clock,
): Promise<number> {
  const slices = new Slices(clock);
  for (const [i, one] of all.entries()) {
    if (!reply.add(bytesOf(one, i))) return i;
    if (slices.over) await slices.next();
  }
  return all.length;
}
