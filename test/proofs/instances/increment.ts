/**
 * node test/proofs/instances/increment.ts HOST:PORT ANSWERS_FILE WORKERS
 *
 * What increment.py does, with grpc-js. Beside that it tries what request ids are for: some increments are sent twice
 * at once, which a balancer hands to two servers, and some are sent again when they were answered long before. Each
 * must be counted once, and all answers to it must agree.
 */
import { createWriteStream } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { v7 as uuidv7 } from "uuid";
import type { Outcome } from "../../../gen/tally/v1/counter_pb.ts";
import {
  type IncrementRequest,
  IncrementRequestSchema,
  IncrementResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { pause } from "../crash/server-process.ts";

const TELL_EVERY = 100;
const TIMEOUT_MS = 15_000;
const TWICE_EVERY = 49;
const AGAIN_EVERY = 51;
/** Any other status is a refusal, which has no business here. */
const PASSING = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.CANCELLED,
  status.INTERNAL, // What a connection cut in the middle of an answer can look like.
  status.UNKNOWN,
]);

const [address, path, workers] = process.argv.slice(2);
const client = new Client(address!, credentials.createInsecure(), {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 200,
});
const answers = createWriteStream(path!);
let stopped = false;
let next = 0;
let answered = 0;
process.stdin.resume().on("end", () => {
  stopped = true;
});

await Promise.all(Array.from({ length: Number(workers) }, () => work()));
tell({ answered });
answers.end();
client.close();

async function work(): Promise<void> {
  let before: { request: IncrementRequest; outcome: Outcome } | undefined;
  while (!stopped) {
    const number = next++;
    const name = number % 2 === 0 ? "hot" : `cold/${(number >> 1) % 1000}`;
    const request = create(IncrementRequestSchema, { name, amount: 1n, requestId: uuidv7() });
    const twice = number % TWICE_EVERY === 0;
    const [outcome, echo] = await Promise.all([untilAnswered(request), twice && untilAnswered(request)]);
    if (echo) agree(request, outcome, echo);
    if (echo && !outcome.replayed && !echo.replayed)
      throw new Error(`${request.requestId} was counted twice`);
    if (number % AGAIN_EVERY === 0 && before !== undefined) {
      const again = await untilAnswered(before.request);
      agree(before.request, before.outcome, again);
      if (!again.replayed) throw new Error(`${before.request.requestId} was counted again`);
    }
    before = { request, outcome };
    const { etag, value, replayed } = outcome;
    answers.write(
      `${request.requestId} ${outcome.name} ${etag} ${value} ${replayed ? "replayed" : "first"}\n`,
    );
    if (++answered % TELL_EVERY === 0) tell({ answered });
  }
}

function agree({ requestId }: IncrementRequest, one: Outcome, other: Outcome): void {
  if (one.etag === other.etag && one.value === other.value) return;
  throw new Error(
    `${requestId} was answered ${one.etag} at ${one.value}, and ${other.etag} at ${other.value}`,
  );
}

async function untilAnswered(request: IncrementRequest): Promise<Outcome> {
  for (;;) {
    try {
      return await increment(request);
    } catch (error) {
      const { code } = error as ServiceError;
      if (!PASSING.has(code)) throw error;
      tell({ broken: status[code] });
      await pause(20);
    }
  }
}

function increment(request: IncrementRequest): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  client.makeUnaryRequest(
    "/tally.v1.CounterService/Increment",
    (message: IncrementRequest) => Buffer.from(toBinary(IncrementRequestSchema, message)),
    (bytes) => fromBinary(IncrementResponseSchema, bytes),
    request,
    new Metadata({ waitForReady: true }),
    { deadline: Date.now() + TIMEOUT_MS },
    (error, response) => (error ? reject(error) : resolve(response!.outcome!)),
  );
  return promise;
}

function tell(what: object): void {
  console.log(JSON.stringify(what));
}
