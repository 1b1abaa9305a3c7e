import type { Hash } from "node:crypto";
import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import { isOfOneName } from "../each-name.ts";
import type { Before } from "./before.ts";
import type { ImportedTo } from "./import-session.ts";
import type { Imported } from "./imported.ts";
import { type Found, PATIENT, refuse, requestIdOf, type Sink } from "./sink.ts";

/** How each counter is imported by itself. */
export interface CallSinkOptions {
  /** What the request id of each is made of. */
  hashOf(found: Found): Hash;
  /** Leave counters that are there as they are; otherwise they are set. */
  readonly keep: boolean;
  readonly note: string;
}

/**
 * Imports counters by a call each, many at a time, under a request id of their own: where they come in no order that a
 * run after this one would have again, or where one that is there is to stay as it is.
 */
export class CallSink implements Sink {
  readonly #client: TallyClient;
  readonly #imported: Imported;
  readonly #before: Before;
  readonly #options: CallSinkOptions;
  /** By name: those of one name go one after the other. */
  readonly #inFlight = new Map<string, Promise<void>>();
  #failure: unknown;

  constructor({ client, imported, before }: ImportedTo, options: CallSinkOptions) {
    this.#client = client;
    this.#imported = imported;
    this.#before = before;
    this.#options = options;
  }

  async add(found: Found): Promise<void> {
    while (this.#inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.#inFlight.values());
    await this.#inFlight.get(found.name);
    if (this.#failure !== undefined) throw this.#failure;
    const call = this.#import(found)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(found.name));
    this.#inFlight.set(found.name, call);
  }

  async finish(): Promise<void> {
    await Promise.all(this.#inFlight.values());
    if (this.#failure !== undefined) throw this.#failure;
  }

  stop(): Promise<void> {
    return this.finish();
  }

  async #import(found: Found): Promise<void> {
    const { keep, note, hashOf } = this.#options;
    const { name, value, settings } = found;
    const requestId = requestIdOf(hashOf(found));
    try {
      if (keep) {
        const request = { ...settings, name, value, requestId };
        const { replayed } = await this.#client.call(RPC.createCounter, request, PATIENT);
        if (replayed) await this.#before.add(name);
        else this.#imported.made++;
      } else {
        const request = { name, value, note, requestId, ...(settings && { ifMissing: settings }) };
        const { outcome } = await this.#client.call(RPC.set, request, PATIENT);
        if (outcome!.replayed) await this.#before.add(name);
        else this.#imported[outcome!.revision === 1n ? "made" : "set"]++;
      }
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const { reason, message, metadata } = error;
      if (reason === "COUNTER_EXISTS") this.#imported.kept++;
      // Under its id it was imported by a run before, which found another value or less of a TTL.
      else if (reason === "REQUEST_ID_REUSED") await this.#before.add(name);
      else if (reason !== undefined && isOfOneName(error))
        refuse(this.#imported, found, { reason, message, metadata });
      else throw error;
    }
  }
}

/** As many as share a commit; more would only wait. */
const IN_FLIGHT_MAX = 64;
