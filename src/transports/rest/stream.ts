import { type DescMessage, fromBinary, getOption } from "@bufbuild/protobuf";
import { http as httpOption } from "../../../gen/google/api/annotations_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { Refused } from "../calls/call.ts";
import type { RunningStream, StreamSink } from "../calls/open-stream.ts";
import type { StreamCall, Streams } from "../calls/stream.ts";
import { callHeadOf } from "../http/call.ts";
import type { BodyLimits, HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import { errorOf, isMethodRefused, sendRefusal } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { answerJson } from "../json/answer.ts";
import { timeoutOf } from "../timeout.ts";
import { readGiven, requestBytes, unfitType } from "./request.ts";
import { matchTemplate, type PathFields, parseTemplate, patternOf, segmentsOf } from "./template.ts";

/** What it takes to have streams answered. */
interface StreamOptions {
  readonly clock: Clock;
  readonly limits: Pick<BodyLimits, "arriving">;
}

/**
 * Streams of REST, by the google.api.http annotations: a request as for any other method, and a line of JSON for each
 * answer, `{"result": ...}`; the last is `{"error": ...}` where the call ends so. What is refused before the first line
 * has a status of its own, as everywhere.
 */
export function restStreamRoute(
  calls: readonly StreamCall[],
  streams: Streams,
  options: StreamOptions,
): HttpRoute {
  const table = calls.map((call) => {
    const rule = getOption(call.method, httpOption);
    const [method, path] = patternOf(rule);
    return { call, method, template: parseTemplate(path), hasBody: rule.body === "*" };
  });
  return (request, response) => {
    const segments = segmentsOf(targetOf(request).path);
    for (const { call, method, template, hasBody } of table) {
      const fields = matchTemplate(template, segments);
      if (fields === undefined) continue;
      if (isMethodRefused(request, response, [method])) return true;
      const unfit = unfitType(request, hasBody);
      if (unfit !== undefined) {
        sendRefusal(response, unfit);
        return true;
      }
      return serve(call, fields, hasBody, request, response, streams, options).then(() => true);
    }
    return false;
  };
}

async function serve(
  call: StreamCall,
  fields: PathFields,
  hasBody: boolean,
  request: HttpRequest,
  response: HttpResponse,
  streams: Streams,
  { clock, limits: { arriving } }: StreamOptions,
): Promise<void> {
  const head = callHeadOf(call.method, request);
  const timeoutMs = timeoutOf(head.headerOf);
  const isTime = typeof timeoutMs === "number";
  const deadline = isTime ? clock.now() + timeoutMs : Number.POSITIVE_INFINITY;
  const limits = { bytesMax: call.requestBytesMax, arriving };
  const running = streams.run(
    call,
    { head, door: "rest", deadline, unfit: isTime ? undefined : timeoutMs },
    (running) => messageOf(call, fields, hasBody, request, limits, running),
    new Lines(call.method.output, response),
  );
  response.onOver(() => running.end({ code: "CALL_CANCELLED" }));
  await running.done;
}

/** The message of a request; one that is none ends the stream. */
async function* messageOf(
  call: StreamCall,
  fields: PathFields,
  hasBody: boolean,
  request: HttpRequest,
  limits: BodyLimits,
  running: RunningStream,
): AsyncGenerator<Buffer, void> {
  const { input } = call.method;
  const given = await readGiven(request, { input, hasBody }, fields, limits);
  const message = "code" in given ? given : requestBytes(input, fields, given);
  if ("code" in message) running.end(message);
  else yield message;
}

/** An answer in lines, whose head is sent with the first. */
class Lines implements StreamSink {
  readonly #output: DescMessage;
  readonly #response: HttpResponse;
  #begun = false;
  #taken = () => {};

  constructor(output: DescMessage, response: HttpResponse) {
    this.#output = output;
    this.#response = response;
  }

  attach(): void {} // Answers of REST carry nothing beside their body.

  send(message: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taken = resolve;
    const result = answerJson(this.#output, fromBinary(this.#output, message));
    void this.#write({ result }).then(resolve);
    return promise;
  }

  end(refused: Refused | undefined): void {
    this.#taken(); // The call need not wait for a caller who takes nothing.
    if (this.#response.over) return;
    if (refused !== undefined && !this.#begun) {
      sendRefusal(this.#response, refused);
      return;
    }
    if (refused !== undefined) void this.#write({ error: errorOf(refused) });
    this.#begin();
    this.#response.end();
  }

  #write(line: object): Promise<void> {
    this.#begin();
    return this.#response.write(Buffer.from(`${JSON.stringify(line)}\n`));
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#response.begin(200, {
      "content-type": "application/x-ndjson",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-accel-buffering": "no", // What stands between must not keep lines back until there are many.
    });
  }
}
