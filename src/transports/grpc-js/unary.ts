import * as grpc from "@grpc/grpc-js";
import { TallyError } from "../../core/errors.ts";
import type { Permit } from "../calls/authorise.ts";
import type { CallContext, Refused, UnaryCall } from "../calls/call.ts";
import { withHeaders } from "../http/header-fields.ts";
import { refusalOf } from "../status.ts";
import { deadlineOf, type GrpcDoor, headerOf, NO_METADATA, OK, toStatus } from "./call.ts";

type Listener = Parameters<grpc.ServerInterceptingCall["start"]>[0];

/**
 * One unary call, from its first byte to its status, where grpc-js lets interceptors stand: before its own handling of
 * such a call.
 *
 * That handling makes a Writable, a handful of closures and two rounds through the event loop a call, which is a
 * sixth of all that grpc-js costs; and its interceptors see what we need: bytes in, bytes and a status out.
 *
 * Whatever happens in it ends in a status: nothing that is thrown or rejected leaves it, because grpc-js would
 * let it end the process.
 */
export class Exchange extends grpc.ServerInterceptingCall implements Listener, CallContext {
  caller = "";
  denial: Permit["denial"];
  readonly #call: grpc.ServerInterceptingCallInterface;
  readonly #unary: UnaryCall;
  readonly #door: GrpcDoor;
  #metadata = NO_METADATA;
  #request: Buffer | undefined;
  #gone = false;

  constructor(call: grpc.ServerInterceptingCallInterface, unary: UnaryCall, door: GrpcDoor) {
    super(call);
    this.#call = call;
    this.#unary = unary;
    this.#door = door;
  }

  /** The listener given is grpc-js's own handling, which is never told anything. */
  override start(): void {
    this.#call.start(this);
  }

  /** Nothing is read before it is known who calls. */
  onReceiveMetadata(metadata: grpc.Metadata): void {
    this.#metadata = metadata;
    try {
      const permit = this.#unary.authorise(this.#headerOf);
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

  #admit(permit: Permit | Refused): void {
    if ("code" in permit) {
      this.#respond(permit);
      return;
    }
    this.caller = permit.caller;
    this.denial = permit.denial;
    this.#call.startRead();
  }

  onReceiveMessage(message: Buffer): void {
    if (this.#request !== undefined) {
      this.#respond({ code: "MALFORMED_MESSAGE" }); // A unary call has one.
      return;
    }
    this.#request = message;
    this.#call.startRead();
  }

  onReceiveHalfClose(): void {
    if (this.#gone) return; // It was told that it is not applied.
    if (this.#request === undefined) {
      this.#respond({ code: "MALFORMED_MESSAGE" });
      return;
    }
    const request = withHeaders(this.#unary, this.#request, this.#headerOf);
    if ("code" in request) {
      this.#respond(request);
      return;
    }
    this.#door.inFlight++;
    try {
      this.#unary.answer(request, this).then(
        (result) => this.#settle(result),
        (error: unknown) => this.#settle(this.#failure(error, this.#unary.changes)),
      );
    } catch (error) {
      this.#settle(this.#failure(error, false));
    }
  }

  onCancel(): void {
    this.#gone = true;
  }

  cancelled(): boolean {
    return this.#gone;
  }

  get deadline(): number {
    return deadlineOf(this.#call, this.#door);
  }

  readonly #headerOf = (name: string): string | undefined => headerOf(this.#metadata, name);

  #settle(result: Uint8Array | Refused): void {
    this.#door.inFlight--;
    const { held } = this.#door;
    if (held === undefined) this.#respond(result);
    else held.push(() => this.#respond(result));
  }

  #respond(result: Uint8Array | Refused): void {
    const call = this.#call;
    try {
      if (result instanceof Uint8Array) {
        call.sendMetadata(NO_METADATA);
        call.sendMessage(result, ignore);
        call.sendStatus(OK); // At once, so that it leaves with the message.
      } else {
        call.sendStatus(toStatus(result));
      }
    } catch (error) {
      this.#logDefect(error);
    }
  }

  #failure(error: unknown, mayHaveApplied: boolean): Refused {
    // A TallyError is the world's doing; who found it has logged it once, not once a call.
    if (!(error instanceof TallyError)) this.#logDefect(error);
    return refusalOf(error, mayHaveApplied);
  }

  #logDefect(err: unknown): void {
    this.#door.log("grpc.handler_failed", { method: this.#unary.method.name, err });
  }
}

function ignore(): void {}
