import { Agent, request } from "node:http";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { v7 as uuidv7 } from "uuid";
import { IncrementRequestSchema, IncrementResponseSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { pause } from "../crash/server-process.ts";

/** How an attempt ended: "OK", or the status it was refused with. */
export type Ended = (status: string, ms: number) => void;

/** One call by one door: the counter's value, or a throw with the status as its message. */
type Increment = (name: string, requestId: string) => Promise<bigint>;

/**
 * Workers that increment by one, each counter its own worker's, over gRPC or REST. An increment is sent again under its
 * request id until it is answered, so each counter must end where its worker does.
 */
export class Load {
  /** By counter: increments that were answered. */
  readonly counted = new Map<string, bigint>();
  readonly faults: string[] = [];
  readonly #ended: Ended;
  readonly #close: (() => void)[] = [];
  #stopped = false;
  readonly #workers: Promise<void>[] = [];

  constructor(ended: Ended) {
    this.#ended = ended;
  }

  /**
   * @param nameOf  of the counter of an increment, by its number
   * @param own     whether nobody else increments these counters, so that each answer can be foretold
   */
  add(port: number, door: "grpc" | "rest", nameOf: (n: number) => string, own = true): void {
    const [increment, close] = door === "grpc" ? overGrpc(port) : overRest(port);
    this.#close.push(close);
    this.#workers.push(this.#work(increment, nameOf, own));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
    for (const close of this.#close) close();
  }

  async #work(increment: Increment, nameOf: (n: number) => string, own: boolean): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const name = nameOf(n);
      const value = await this.#untilAnswered(increment, name, uuidv7());
      if (value === undefined) return;
      const expected = (this.counted.get(name) ?? 0n) + 1n;
      this.counted.set(name, expected);
      if (own && value !== expected)
        this.faults.push(`${name} was told ${value} at its increment number ${expected}`);
    }
  }

  /** @returns undefined when it was to stop before there was an answer, which leaves one increment open */
  async #untilAnswered(increment: Increment, name: string, id: string): Promise<bigint | undefined> {
    while (!this.#stopped) {
      const began = performance.now();
      try {
        const value = await increment(name, id);
        this.#ended("OK", performance.now() - began);
        return value;
      } catch (error) {
        this.#ended((error as Error).message, performance.now() - began);
        await pause(BACKOFF_MS);
      }
    }
    return undefined;
  }
}

/** As a client waits that retries at all. */
const BACKOFF_MS = 20;
const TIMEOUT_MS = 20_000;

function overGrpc(port: number): [Increment, () => void] {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const increment: Increment = (name, requestId) => {
    const { promise, resolve, reject } = Promise.withResolvers<bigint>();
    const asked = toBinary(
      IncrementRequestSchema,
      create(IncrementRequestSchema, { name, amount: 1n, requestId }),
    );
    client.makeUnaryRequest(
      "/tally.v1.CounterService/Increment",
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes) => fromBinary(IncrementResponseSchema, bytes),
      asked,
      new Metadata(),
      { deadline: Date.now() + TIMEOUT_MS },
      (error, answer) => (error ? reject(new Error(`gRPC ${error.code}`)) : resolve(answer!.outcome!.value)),
    );
    return promise;
  };
  return [increment, () => client.close()];
}

function overRest(port: number): [Increment, () => void] {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const increment: Increment = (name, requestId) => {
    const { promise, resolve, reject } = Promise.withResolvers<bigint>();
    const call = request(
      {
        ...{ host: "127.0.0.1", port, agent, method: "POST", path: `/v1/counters/${name}:increment` },
        ...{
          timeout: TIMEOUT_MS,
          headers: { "content-type": "application/json", "idempotency-key": requestId },
        },
      },
      async (response) => {
        let body = "";
        response.setEncoding("utf8");
        for await (const chunk of response) body += chunk;
        if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`));
        else resolve(BigInt(JSON.parse(body).outcome.value));
      },
    );
    call.on("timeout", () => call.destroy(new Error("timeout")));
    call.on("error", () => reject(new Error("no answer")));
    call.end("{}");
    return promise;
  };
  return [increment, () => agent.destroy()];
}
