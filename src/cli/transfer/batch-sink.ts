import { create, toBinary } from "@bufbuild/protobuf";
import { type Operation, OperationSchema } from "../../../gen/browser/tally/v1/counter_service_pb.ts";
import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import type { Before } from "./before.ts";
import { CallSink } from "./call-sink.ts";
import type { ImportedTo } from "./import-session.ts";
import type { Imported } from "./imported.ts";
import { type Found, hashOf, PATIENT, refuse, requestIdOf, type Sink } from "./sink.ts";

/**
 * Sets counters in the order in which they come, a slice a call, making those that are missing.
 *
 * A slice has as its request id what says which import it is, where in it, and every byte that is sent: so whoever
 * imports the same again, after a kill or beside another, gets the answer that was given, and nothing is set twice. A slice
 * with a counter that the caller may not set is set counter by counter.
 */
export class BatchSink implements Sink {
  readonly #to: ImportedTo;
  readonly #client: TallyClient;
  readonly #imported: Imported;
  readonly #before: Before;
  readonly #identity: readonly string[];
  readonly #note: string;
  #slice: Sliced[] = [];
  #bytes = 0;
  #slices = 0;

  /** @param identity  says which import it is */
  constructor(to: ImportedTo, identity: readonly string[], note: string) {
    this.#to = to;
    this.#client = to.client;
    this.#imported = to.imported;
    this.#before = to.before;
    this.#identity = identity;
    this.#note = note;
  }

  async add(found: Found): Promise<void> {
    const { name, value, settings } = found;
    const operation = create(OperationSchema, {
      ...{ name, note: this.#note, action: { case: "set", value } },
      ...(settings && { ifMissing: settings }),
    });
    const bytes = toBinary(OperationSchema, operation);
    if (this.#slice.length === SLICE_OPS_MAX || this.#bytes + bytes.length > SLICE_BYTES_MAX)
      await this.finish();
    this.#slice.push({ found, operation, bytes });
    this.#bytes += bytes.length;
  }

  async finish(): Promise<void> {
    let left: readonly Sliced[] = this.#slice;
    this.#slice = [];
    this.#bytes = 0;
    this.#slices++;
    const hash = hashOf(...this.#identity, `${this.#slices}`);
    for (const { bytes } of left) hash.update(`${bytes.length}:`).update(bytes);
    const requestId = requestIdOf(hash);
    while (left.length > 0) {
      const unfit = await this.#apply(left, requestId);
      if (unfit === undefined) return;
      if (unfit === DENIED) return this.#oneByOne(left, requestId);
      left = left.filter((_, i) => i !== unfit);
    }
  }

  async stop(): Promise<void> {} // Each slice was waited for.

  /** @returns  which of them keeps the others from being applied; it is told. DENIED: one that the caller may not set */
  async #apply(slice: readonly Sliced[], requestId: string): Promise<number | typeof DENIED | undefined> {
    try {
      await this.#send(slice, requestId);
      return undefined;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (isDenied(error) || isReused(error)) return DENIED;
      const unfit = unfitIn(error, slice.length);
      if (unfit === undefined) throw error;
      this.#refuse(slice[unfit]!, error);
      return unfit;
    }
  }

  /** @returns  whether the first of them was set, now or before. @throws CallError */
  async #send(slice: readonly Sliced[], requestId: string): Promise<boolean> {
    const request = { operations: slice.map(({ operation }) => operation), requestId };
    const { outcomes, replayed } = await this.#client.call(RPC.batchApply, request, PATIENT);
    for (const [i, { refusal, revision }] of outcomes.entries()) {
      if (refusal !== undefined) refuse(this.#imported, slice[i]!.found, refusal);
      else if (replayed) await this.#before.add(slice[i]!.found.name);
      else if (revision === 1n) this.#imported.made++;
      else this.#imported.set++;
    }
    return outcomes[0]?.refusal === undefined;
  }

  #refuse({ found }: Sliced, { message, metadata, reason }: CallError): void {
    refuse(this.#imported, found, { message, metadata, reason: reason! });
  }

  /**
   * Set those that the caller may set. The first such one takes the slice's own request id, so that no run after this
   * one, whose caller may do more by then, has all of the slice set once more under it: it comes here, too, and meets
   * each under the id that it had.
   */
  async #oneByOne(slice: readonly Sliced[], requestId: string): Promise<void> {
    const others: Sliced[] = [];
    let isOfOne = false;
    for (const [i, one] of slice.entries()) {
      try {
        const isSet = await this.#send([one], requestId);
        isOfOne = true; // And not of all of the slice.
        if (!isSet) continue;
        others.push(...slice.slice(i + 1));
        break;
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        if (isReused(error)) others.push(one);
        else if (isDenied(error) || unfitIn(error, 1) !== undefined) this.#refuse(one, error);
        else throw error;
      }
    }
    if (!isOfOne) {
      for (const { found } of others) await this.#before.add(found.name); // By a run whose caller could set all of them.
      return;
    }
    const alone = new CallSink(this.#to, {
      ...{ keep: false, note: this.#note },
      hashOf: ({ at }) => hashOf(requestId, at),
    });
    for (const { found } of others) await alone.add(found);
    await alone.finish();
  }
}

interface Sliced {
  readonly found: Found;
  readonly operation: Operation;
  readonly bytes: Uint8Array;
}

const DENIED = "denied";

/** A batch is refused whole for one counter that its caller may not set. */
function isDenied({ reason }: CallError): boolean {
  return reason === "PERMISSION_DENIED";
}

function isReused({ reason }: CallError): boolean {
  return reason === "REQUEST_ID_REUSED";
}

/** The shape of one refuses the whole call. */
function unfitIn({ reason, metadata }: CallError, count: number): number | undefined {
  if (reason === "MESSAGE_TOO_LARGE" && count === 1) return 0;
  const [, index] = (reason === "INVALID_FIELD" && /^operations\[(\d+)\]/.exec(metadata.field ?? "")) || [];
  return index === undefined ? undefined : Number(index);
}

/** What of others waits for a slice in the server's one commit is not to notice; and it is below `batch-bytes-max` at its least. */
const SLICE_OPS_MAX = 1_000;
const SLICE_BYTES_MAX = 56 * 2 ** 10;
