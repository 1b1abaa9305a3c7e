/** Streams that echo, and what became of each. */
import { once } from "node:events";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Authorise, allowAll } from "../../../src/transports/calls/authorise.ts";
import type { Refused } from "../../../src/transports/calls/call.ts";
import { onlyMessage, type StreamCall, type StreamContext } from "../../../src/transports/calls/stream.ts";
import { EchoResponseSchema, EchoService, RepeatRequestSchema, TalkRequestSchema } from "./echo_pb.ts";

/** What a test sees of the streams that were begun. */
export class Seen {
  /** Answers that were asked for. */
  answers = 0;
  /** Requests that were read. */
  requests = 0;
  readonly contexts: StreamContext[] = [];
  readonly #over = Promise.withResolvers<void>();
  /** When a stream's generator has ended, however that came to pass. */
  readonly over = this.#over.promise;

  end(): void {
    this.#over.resolve();
  }
}

/**
 * Repeat answers a text; after two answers "throws" is a defect, "is refused" a refusal, "waits" waits until nobody does,
 * and "says goodbye" waits until the server stops, then says so.
 */
export function echoCalls(seen: Seen, authorise: Authorise = allowAll): readonly StreamCall[] {
  const respond = (text: string) => {
    seen.answers++;
    return toBinary(EchoResponseSchema, create(EchoResponseSchema, { text }));
  };
  return [
    {
      method: EchoService.method.repeat,
      requestBytesMax: 1_000_000,
      authorise,
      async *open(requests, context): AsyncGenerator<Uint8Array, Refused | undefined> {
        seen.contexts.push(context);
        try {
          const bytes = await onlyMessage(requests);
          if ("code" in bytes) return bytes;
          const { text, times } = fromBinary(RepeatRequestSchema, bytes);
          for (let i = 0; i < Number(times); i++) {
            if (i === 2 && text === "throws") throw new TypeError("a defect, for a test");
            if (i === 2 && text === "is refused") return { code: "QUEUE_FULL", retryAfterMs: 1_500 };
            if (i === 2 && text === "waits") await aborted(context.signal);
            if (i === 2 && text === "says goodbye") {
              await aborted(context.draining);
              yield respond("goodbye");
              return undefined;
            }
            yield respond(text);
          }
          return undefined;
        } finally {
          seen.end();
        }
      },
    },
    {
      method: EchoService.method.talk,
      requestBytesMax: 1_000,
      authorise,
      async *open(requests, context): AsyncGenerator<Uint8Array, Refused | undefined> {
        seen.contexts.push(context);
        try {
          for await (const bytes of requests) {
            seen.requests++;
            yield respond(fromBinary(TalkRequestSchema, bytes).text);
          }
          if (!context.signal.aborted) yield respond("that was all");
          return undefined;
        } finally {
          seen.end();
        }
      },
    },
  ];
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
