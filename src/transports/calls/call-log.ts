import type { DescMethod } from "@bufbuild/protobuf";
import type { Clock } from "../../core/clock.ts";
import { type CallParts, traceFieldOf } from "../../telemetry/call-parts.ts";
import { FewLines } from "../../telemetry/few-lines.ts";
import { CODES, type Door } from "../../telemetry/series.ts";
import type { Log, LogFields } from "../../telemetry.ts";
import type { HeaderOf, Permit } from "./authorise.ts";
import type { Refused } from "./call.ts";

/** Which calls are logged. */
export interface CallLogSettings {
  /** How many of all, from 0, none, to 1, every one. */
  readonly ratio: number;
  /** From how many milliseconds on a call that does not stream is slow; Infinity: none is. */
  readonly slowMs: number;
}

/** What a call has shown of whose it is. */
export interface Caller {
  readonly headerOf: HeaderOf;
  /** Of who was let in. */
  readonly access?: Permit["access"];
  /** How far it has come; undefined: nobody asked. */
  readonly parts?: CallParts | undefined;
}

/** A call that has ended, as it is measured. */
export interface EndedCall {
  readonly method: DescMethod;
  readonly door: Door;
  /** gRPC's, by its number. */
  readonly code: number;
  readonly seconds: number;
  /** When, by the clock that never goes back, in milliseconds. */
  readonly endedMs: number;
  /** Why it was not answered; undefined: it was. */
  readonly refused: Refused | undefined;
  readonly caller: Caller;
}

/**
 * Logs calls when they have ended, at whichever door: some of all, by chance, as `call.answered`, and those that were slow as
 * `call.slow`, of which there are ten lines a second at most. Nothing of what was asked for is in it.
 */
export class CallLog {
  /** Whether any are logged, by the settings: all that is looked at for a call otherwise. */
  isOn = false;
  readonly #log: Log;
  readonly #chance: () => number;
  readonly #slow: FewLines;
  #settings: CallLogSettings;

  /** @param chance  a number from 0 on and below 1, another one each time */
  constructor(clock: Clock, log: Log, chance: () => number, settings: CallLogSettings) {
    this.#log = log;
    this.#chance = chance;
    this.#slow = new FewLines(clock, log, "call.slow");
    this.#settings = settings;
    this.settings = settings;
  }

  /** Go by others from now on. */
  set settings(settings: CallLogSettings) {
    this.#settings = settings;
    this.isOn = settings.ratio > 0 || settings.slowMs < Number.POSITIVE_INFINITY;
  }

  add(ended: EndedCall): void {
    const { ratio, slowMs } = this.#settings;
    if (ratio > 0 && this.#chance() < ratio) this.#log("call.answered", fieldsOf(ended));
    // A stream lasts as long as its caller likes.
    if (ended.method.methodKind === "unary" && ended.seconds * 1_000 >= slowMs)
      this.#slow.add(() => fieldsOf(ended));
  }

  /** Tells how many slow calls were left out, if they were not told of yet. */
  close(): void {
    this.#slow.close();
  }
}

function fieldsOf({ method, door, code, seconds, endedMs, refused, caller }: EndedCall): LogFields {
  const identity = caller.access?.identity;
  return {
    rpc: method.name,
    door,
    code: CODES[code],
    outcome: refused?.code ?? "OK",
    ms: Math.round(seconds * 1e6) / 1e3,
    ...caller.parts?.times(endedMs),
    ...(identity && { by: identity.name, address: identity.address }),
    ...(identity?.keyId !== undefined && { key_id: identity.keyId }),
    ...traceFieldOf(caller),
  };
}
