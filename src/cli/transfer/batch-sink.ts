import { create, toBinary } from "@bufbuild/protobuf";
import { type Operation, OperationSchema } from "../../../gen/browser/tally/v1/counter_service_pb.ts";
import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import type { Imported } from "./imported.ts";
import { type Found, hashOf, PATIENT, refuse, requestIdOf, type Sink } from "./sink.ts";

/**
 * Sets counters in the order in which they come, a slice a call, making those that are missing.
 *
 * A slice has as its request id what says which import it is, where in it, and every byte that is sent: so whoever
 * imports the same again, after a kill or beside another, gets the answer that was given, and nothing is set twice.
 */
export class BatchSink implements Sink {
  readonly #client: TallyClient;
  readonly #imported: Imported;
  readonly #identity: readonly string[];
  readonly #note: string;
  #slice: Sliced[] = [];
  #bytes = 0;
  #slices = 0;

  /** @param identity  says which import it is */
  constructor(client: TallyClient, imported: Imported, identity: readonly string[], note: string) {
    this.#client = client;
    this.#imported = imported;
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
    while (left.length > 0) {
      const unfit = await this.#apply(left);
      if (unfit === undefined) return;
      left = left.filter((_, i) => i !== unfit);
    }
  }

  async stop(): Promise<void> {} // Each slice was waited for.

  /** @returns  which of them keeps the others from being applied; it is told */
  async #apply(slice: readonly Sliced[]): Promise<number | undefined> {
    const operations = slice.map(({ operation }) => operation);
    const hash = hashOf(...this.#identity, `${this.#slices}`);
    for (const { bytes } of slice) hash.update(`${bytes.length}:`).update(bytes);
    try {
      const request = { operations, requestId: requestIdOf(hash) };
      const { outcomes, replayed } = await this.#client.call(RPC.batchApply, request, PATIENT);
      for (const [i, { refusal, revision }] of outcomes.entries()) {
        if (refusal !== undefined) refuse(this.#imported, slice[i]!.found, refusal);
        else if (replayed) this.#imported.before++;
        else if (revision === 1n) this.#imported.made++;
        else this.#imported.set++;
      }
      return undefined;
    } catch (error) {
      const unfit = error instanceof CallError ? unfitIn(error, slice.length) : undefined;
      if (unfit === undefined) throw error;
      const { message, metadata, reason } = error as CallError;
      refuse(this.#imported, slice[unfit]!.found, { message, metadata, reason: reason! });
      return unfit;
    }
  }
}

interface Sliced {
  readonly found: Found;
  readonly operation: Operation;
  readonly bytes: Uint8Array;
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
