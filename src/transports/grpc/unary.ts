import type { DescMethod } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { TallyError } from "../../core/errors.ts";
import { type CallParts, traceFieldOf } from "../../telemetry/call-parts.ts";
import type { CallHead, HeaderOf, Instant, Peer, Permit } from "../calls/authorise.ts";
import type { AnswerMetadata, CallContext, Refused, UnaryCall } from "../calls/call.ts";
import type { Caller } from "../calls/call-log.ts";
import { type HeaderFields, headerFieldsOf, NO_HEADER_FIELDS, withHeaders } from "../http/header-fields.ts";
import { refusalOf } from "../status.ts";
import type { GrpcDoor } from "./call.ts";
import { NOT_ONE } from "./protocol.ts";

/**
 * One unary call, from its headers to its status: all of it but how an engine carries it.
 *
 * Whatever happens in it ends in a status: nothing that is thrown or rejected leaves it, because an engine would let it
 * end the process, or the connection.
 */
export abstract class UnaryExchange implements CallContext, CallHead, Caller, Instant {
  caller = "";
  callerName: Permit["callerName"];
  formerCaller: Permit["formerCaller"];
  access: Permit["access"];
  lapsed: Permit["lapsed"];
  parts: CallParts | undefined;
  readonly overGrpc = true;
  abstract readonly headerOf: HeaderOf;
  abstract peer(): Peer;
  abstract readonly deadline: number;
  /** Why its headers are none of gRPC; told once it is known who calls. */
  protected abstract readonly unfit: Refusal | undefined;
  /** What the answer is to carry beside its message. */
  protected attached: AnswerMetadata | undefined;
  readonly #unary: UnaryCall;
  readonly #door: GrpcDoor;
  /** When its headers were there. */
  readonly monotonicMs: number;
  readonly timeMs: number;
  #request: Buffer | undefined;
  #fields: HeaderFields = NO_HEADER_FIELDS;
  #gone = false;
  /** Whether it is answered, or will be whether or not anybody waits. */
  #isAnswering = false;
  #isMeasured = false;

  constructor(unary: UnaryCall, door: GrpcDoor) {
    this.#unary = unary;
    this.#door = door;
    this.monotonicMs = door.meter.began();
    this.timeMs = door.clock.now();
  }

  get method(): DescMethod {
    return this.#unary.method;
  }

  abstract countOf(name: string): number;

  /** The headers are there. Nothing is read before it is known who calls. */
  begin(): void {
    try {
      this.parts = this.#door.meter.follow(this.#unary.method, "grpc", this.headerOf, this.monotonicMs);
      const permit = this.#unary.authorise(this, this);
      if (!(permit instanceof Promise)) this.#admit(permit);
      else
        permit.then(
          (later) => this.#admit(later),
          (error: unknown) => this.#admit(this.#failure(error, false)),
        );
    } catch (error) {
      this.#admit(this.#failure(error, false));
    }
  }

  /** A message is there that was asked for. */
  receive(message: Buffer): void {
    if (this.#request !== undefined) {
      this.#respond(NOT_ONE);
      return;
    }
    this.#request = message;
    this.read();
  }

  /** No more messages come. */
  halfClose(): void {
    if (this.#gone) return; // It was told that it is not applied.
    if (this.#request === undefined) {
      this.#respond(NOT_ONE);
      return;
    }
    const request = withHeaders(this.#unary, this.#request, this.#fields);
    if ("code" in request) {
      this.#respond(request);
      return;
    }
    this.#door.inFlight++;
    this.#isAnswering = true;
    try {
      this.#unary.answer(request, this).then(
        (result) => this.#settle(result),
        (error: unknown) => this.#settle(this.#failure(error, this.#unary.changes)),
      );
    } catch (error) {
      this.#settle(this.#failure(error, false));
    }
  }

  /** Nobody waits for the answer any more. @param why  what the engine has told them, where it did */
  cancel(why: Refused = GONE): void {
    this.#gone = true;
    if (!this.#isAnswering) this.#measure(why);
  }

  cancelled(): boolean {
    return this.#gone;
  }

  attach(metadata: AnswerMetadata): void {
    this.attached = metadata;
  }

  /** What has come of it cannot be its request. */
  protected refuse(refusal: Refused): void {
    this.#respond(refusal);
  }

  /** It was judged by who calls, and is answered or refused. */
  protected onJudged(_admitted: boolean): void {}
  /** Ask for the next message, or to be told that there is none. */
  protected abstract read(): void;
  /** Send the answer: a message with the status OK, or a status alone. */
  protected abstract send(result: Uint8Array | Refused): void;

  #admit(permit: Permit | Refused): void {
    const refused = "code" in permit;
    this.onJudged(!refused);
    if (refused) {
      this.#respond(permit);
      return;
    }
    this.caller = permit.caller;
    this.callerName = permit.callerName;
    this.formerCaller = permit.formerCaller;
    this.access = permit.access;
    this.lapsed = permit.lapsed;
    const fields = this.unfit ?? headerFieldsOf(this.#unary, this.headerOf);
    if ("code" in fields) {
      this.#respond(fields);
      return;
    }
    this.#fields = fields;
    this.read();
  }

  #settle(result: Uint8Array | Refused): void {
    this.#door.inFlight--;
    const { held } = this.#door;
    if (held === undefined) this.#respond(result);
    else held.push(() => this.#respond(result));
  }

  #respond(result: Uint8Array | Refused): void {
    this.#isAnswering = true;
    try {
      this.send(result);
    } catch (error) {
      this.#logDefect(error);
    }
    this.#measure(result);
  }

  /** Once, by the first that was said of it. */
  #measure(result: Uint8Array | Refused): void {
    if (this.#isMeasured) return;
    this.#isMeasured = true;
    const refused = result instanceof Uint8Array ? undefined : result;
    this.#door.meter.ended(this.#unary.method, "grpc", this.monotonicMs, refused, this);
  }

  #failure(error: unknown, mayHaveApplied: boolean): Refused {
    // A TallyError is the world's doing; who found it has logged it once, not once a call.
    if (!(error instanceof TallyError)) this.#logDefect(error);
    return refusalOf(error, mayHaveApplied);
  }

  #logDefect(err: unknown): void {
    this.#door.log("grpc.handler_failed", { method: this.#unary.method.name, err, ...traceFieldOf(this) });
  }
}

const GONE: Refused = { code: "CALL_CANCELLED" };
