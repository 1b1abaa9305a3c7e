import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Outcome } from "../../gen/tally/v1/counter_pb.ts";
import { CounterService, type DeleteCounterResponse } from "../../gen/tally/v1/counter_service_pb.ts";
import { loadConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { ServerProcess } from "../proofs/crash/server-process.ts";
import { HandClock } from "../support/clock.ts";
import { freePort } from "../support/free-port.ts";
import { Caller, Refused } from "./client.ts";

export const { method: RPC } = CounterService;

/** What one scenario lives in: a server with an empty data file, somebody who calls it, and the last answer. */
export class World {
  /** By counter, its etag when it was read: for changes that depend on what was read. */
  readonly etags = new Map<string, string>();
  /** The same for its settings. */
  readonly settingsEtags = new Map<string, string>();
  /** What many calls made at once came to. */
  crowd: (Outcome | DeleteCounterResponse | Refused)[] = [];
  /** Of the last page of a list: where the next begins. */
  pageToken = "";
  /** The time zone that the last history was asked for in. */
  zone = "UTC";
  /** What a command reads from its standard input. */
  readonly lines: string[] = [];
  /** A command that runs. */
  running: { says(text: string): Promise<void>; end(): Promise<NodeJS.Signals | null> } | undefined;
  /** The last command that has ended. */
  ran: { readonly code: number | null; readonly stdout: string } | undefined;
  /** What the last line that was typed at a shell came to. */
  typed: { readonly code: number | null; readonly stdout: string; readonly stderr: string } | undefined;
  /** The server's, if a scenario is about time. */
  #clock: HandClock | undefined;
  readonly #callers: Caller[] = [];
  #folder: string | undefined;
  #server: { readonly port: number; stop(): Promise<void>; kill?(): Promise<void> } | undefined;
  #last: Attempt | undefined;
  /** By request id: the first answer under it. */
  readonly #first = new Map<string, object>();

  /** Somebody with a connection of their own. */
  async newCaller(): Promise<Caller> {
    const { port } = await this.#running();
    const caller = new Caller(port);
    this.#callers.push(caller);
    return caller;
  }

  /** Where the server listens. */
  async address(): Promise<string> {
    return `127.0.0.1:${(await this.#running()).port}`;
  }

  /** A call that must succeed: what a scenario starts from, or looks at. */
  async call<M extends DescMethodUnary>(method: M, request: MessageInitShape<M["input"]>) {
    const caller = this.#callers[0] ?? (await this.newCaller());
    return caller.call(method, request);
  }

  /** The call that a scenario is about: it may be refused, and then a step must say so. */
  async attempt<M extends DescMethodUnary>(method: M, request: MessageInitShape<M["input"]>): Promise<void> {
    this.#expectSeen();
    const again = (): Promise<void> => this.attempt(method, request);
    const { requestId } = request as { requestId?: string };
    try {
      const answer = await this.call(method, request);
      this.#last = { answer, requestId, again };
      if (requestId !== undefined && !this.#first.has(requestId)) this.#first.set(requestId, answer);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#last = { refused: error, seen: false, again };
    }
  }

  /** Send the last request once more, to the letter. */
  async again(): Promise<void> {
    if (this.#last === undefined) throw new Error("there is no request to send again");
    await this.#last.again();
  }

  /** What the last call answered. */
  answerTo<M extends DescMethodUnary>(method: M): MessageShape<M["output"]> {
    const { answer } = this.#answered;
    if (answer.$typeName !== method.output.typeName) {
      throw new Error(`expected an answer to ${method.name}, got ${answer.$typeName}`);
    }
    return answer as MessageShape<M["output"]>;
  }

  /** What the last call answered, whatever it was. */
  get answer(): object {
    return this.#answered.answer;
  }

  /** What became of the counter that the last call changed. */
  get outcome(): Outcome {
    return outcomeIn(this.#answered.answer);
  }

  /** The same, when the request id of the last call was first answered. */
  get firstOutcome(): Outcome {
    const { requestId = "" } = this.#answered;
    return outcomeIn(this.#first.get(requestId) ?? {});
  }

  /** Why the last call was refused. */
  get refusal(): Refused {
    if (this.#last === undefined || !("refused" in this.#last))
      throw new Error("the last call was not refused");
    this.#last.seen = true;
    return this.#last.refused;
  }

  /** Stop the server as an operator would, and start it on the same file. */
  async restart(): Promise<void> {
    const { stop } = await this.#running();
    this.#hangUp();
    await stop();
    this.#server = undefined;
  }

  /** Have the clock of the server show a time, from its start on. It stands still but for this. */
  async itIs(time: number): Promise<void> {
    if (this.#clock === undefined && this.#server !== undefined) throw new Error("its clock goes by itself");
    this.#clock ??= new HandClock(time);
    const ahead = time - this.#clock.now();
    if (ahead >= 0) this.#clock.advance(ahead);
    else this.#clock.wallMs = time; // Set back: no time has passed.
  }

  /** What time it is. */
  get now(): number {
    if (this.#clock === undefined) throw new Error("say first what time it is");
    return this.#clock.now();
  }

  /** Have so much time pass, in milliseconds. */
  passes(ms: number): void {
    if (this.#clock === undefined) throw new Error("say first what time it is");
    this.#clock.advance(ms);
  }

  /** Have the server run as a process of its own, so that it can be killed. */
  async startProcess(): Promise<void> {
    const port = await freePort();
    const server = new ServerProcess({ port, store: `sqlite:${await this.#file()}` });
    await server.ready();
    const exit = async (ended: Promise<unknown>): Promise<void> => void (await ended);
    this.#server = { port, stop: () => exit(server.stop()), kill: () => exit(server.kill()) };
  }

  /** Kill the server's process with SIGKILL, and start it again. */
  async killAndRestart(): Promise<void> {
    const { kill } = await this.#running();
    if (kill === undefined) throw new Error("only a server with a process of its own can be killed");
    this.#hangUp();
    await kill();
    await this.startProcess();
  }

  async close(): Promise<void> {
    this.#hangUp();
    await this.running?.end();
    await this.#server?.stop();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true });
  }

  /** A refusal that no step has spoken of is a failure of the scenario. */
  expectNothingUnseen(): void {
    this.#expectSeen();
  }

  get #answered() {
    this.#expectSeen();
    if (this.#last === undefined || "refused" in this.#last) throw new Error("there is no answer");
    return this.#last;
  }

  #expectSeen(): void {
    const last = this.#last;
    if (last !== undefined && "refused" in last && !last.seen) throw last.refused;
  }

  async #running() {
    this.#server ??= await this.#start();
    return this.#server;
  }

  async #start() {
    const clock = this.#clock;
    const flags = { listen: "127.0.0.1:0", store: `sqlite:${await this.#file()}` };
    const { config } = loadConfig({ flags, env: {} });
    const server = await startServer(config, { telemetry: NO_TELEMETRY, ...(clock && { clock }) });
    return { port: server.address.port, stop: () => server.close() };
  }

  async #file(): Promise<string> {
    this.#folder ??= await mkdtemp(path.join(tmpdir(), "tally-feature-"));
    return path.join(this.#folder, "tally.db");
  }

  #hangUp(): void {
    for (const caller of this.#callers.splice(0)) caller.close();
  }
}

type Attempt =
  | {
      readonly answer: { readonly $typeName: string };
      readonly requestId: string | undefined;
      again(): Promise<void>;
    }
  | { readonly refused: Refused; seen: boolean; again(): Promise<void> };

function outcomeIn(answer: object): Outcome {
  if (!("outcome" in answer)) throw new Error("the call changed no single counter");
  return answer.outcome as Outcome;
}
