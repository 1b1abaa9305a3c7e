import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { create } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";
import { CounterService, IncrementRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { Client } from "../../transports/door.ts";
import { Connection, NotSent, Unanswered } from "../crash/connection.ts";
import { pause } from "../crash/server-process.ts";

/** What one caller has seen; each has a counter of its own, to which it alone adds 1 again and again. */
export class Seen {
  readonly kind: string;
  readonly name: string;
  answered = 0;
  readonly faults: string[] = [];
  /** Connections that were reset under their first call: from which port, and when. Told by those who know their port. */
  readonly resets: { readonly port: number; readonly ms: number }[] = [];

  constructor(kind: string, name: string) {
    this.kind = kind;
    this.name = name;
  }

  value(value: bigint): void {
    this.answered++;
    if (value !== BigInt(this.answered)) this.faults.push(`answer ${this.answered} is ${value}`);
  }

  unanswered(why: unknown): void {
    this.faults.push(`a call without an answer: ${why}`);
  }
}

type Stopped = () => boolean;

/** Until the next try to connect, in milliseconds. */
const AWAY_MS = 20;

/** Node's own clients, and that of gRPC: they call until they are told to stop. @returns what they have seen */
export async function nodeClients(port: number, stopped: Stopped): Promise<Seen[]> {
  const everyone: Seen[] = [];
  const several = (kind: string, count: number, work: (seen: Seen) => Promise<void>) =>
    Array.from({ length: count }, () => {
      const seen = new Seen(kind, `node-${everyone.length}`);
      everyone.push(seen);
      return work(seen);
    });
  const agent = new Agent({ keepAlive: true });
  const channels = Array.from({ length: 2 }, () => new Client(port, GRPC_OPTIONS));
  const sessions = Array.from({ length: 2 }, () => new Session(port));
  await Promise.all([
    ...several("node:http, an agent", 6, (seen) => overAgent(port, agent, seen, stopped)),
    ...channels.flatMap((client) => several("grpc-js", 4, (seen) => overGrpc(client, seen, stopped))),
    ...sessions.flatMap((session) => several("node:http2", 4, (seen) => overHttp2(session, seen, stopped))),
  ]);
  agent.destroy();
  for (const each of [...channels, ...sessions]) each.close();
  return everyone;
}

const GRPC_OPTIONS: grpc.ClientOptions = {
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": AWAY_MS,
  "grpc.max_reconnect_backoff_ms": 100,
};

async function overAgent(port: number, agent: Agent, seen: Seen, stopped: Stopped): Promise<void> {
  while (!stopped()) {
    const path = `/counters/${seen.name}/increment`;
    const call = request({ port, host: "127.0.0.1", method: "POST", path, agent });
    call.end();
    try {
      const [response] = (await once(call, "response")) as [IncomingMessage];
      const body = Buffer.concat((await response.toArray()) as Buffer[]).toString();
      if (response.statusCode === 200) seen.value(BigInt(JSON.parse(body).value));
      else seen.faults.push(`status ${response.statusCode}: ${body}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED") seen.unanswered(error);
      await pause(AWAY_MS);
    }
  }
}

async function overGrpc(client: Client, seen: Seen, stopped: Stopped): Promise<void> {
  while (!stopped()) {
    try {
      seen.value((await client.increment({ name: seen.name })).outcome!.value);
    } catch (error) {
      // Which it says of a call that it has sent to nobody.
      if (!/No connection established/.test(`${error}`)) seen.unanswered(error);
      await pause(AWAY_MS);
    }
  }
}

async function overHttp2(session: Session, seen: Seen, stopped: Stopped): Promise<void> {
  const request = create(IncrementRequestSchema, { name: seen.name });
  while (!stopped()) {
    const connection = await session.connected();
    if (connection === undefined) {
      await pause(AWAY_MS);
      continue;
    }
    try {
      const answer = await connection.call(CounterService.method.increment, request);
      if (answer.ok) seen.value(answer.message.outcome!.value);
      else seen.faults.push(`status ${answer.status}: ${answer.text}`);
    } catch (error) {
      if (!(error instanceof NotSent)) seen.unanswered(error);
    }
  }
}

/** A connection of node:http2 that several callers share, and that is made anew when the server takes no more on it. */
class Session {
  readonly #port: number;
  #connection: Promise<Connection | undefined> | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async connected(): Promise<Connection | undefined> {
    const connection = await this.#connection;
    if (connection?.usable) return connection;
    this.#connection = Connection.open(this.#port).catch((error: unknown) => {
      if (!(error instanceof Unanswered)) throw error;
      return undefined;
    });
    return this.#connection;
  }

  close(): void {
    void this.#connection?.then((connection) => connection?.close());
  }
}
