import { RPC, type TallyClient } from "../../client/client.ts";
import type { Imported } from "./imported.ts";
import { type Found, PATIENT, refuse, type Sink } from "./sink.ts";

/** Asks what an import would come to, and changes nothing. Whether bounds allow a value, only the import asks. */
export class DrySink implements Sink {
  readonly #client: TallyClient;
  readonly #imported: Imported;
  readonly #keep: boolean;
  #found: Found[] = [];

  /** @param keep  whether counters that are there are to be left as they are */
  constructor(client: TallyClient, imported: Imported, keep: boolean) {
    this.#client = client;
    this.#imported = imported;
    this.#keep = keep;
  }

  async add(found: Found): Promise<void> {
    this.#found.push(found);
    if (this.#found.length === NAMES_MAX) await this.finish();
  }

  async finish(): Promise<void> {
    const all = this.#found;
    this.#found = [];
    if (all.length === 0) return;
    const names = all.map(({ name }) => name);
    const { results } = await this.#client.call(RPC.batchGetCounters, { names }, PATIENT);
    for (const [i, { result }] of results.entries()) {
      const found = all[i]!;
      if (result.case === "counter")
        this.#imported[this.#keep || result.value.value === found.value ? "kept" : "set"]++;
      else if (result.case === "refusal" && result.value.reason === "COUNTER_NOT_FOUND")
        this.#imported.made++;
      else if (result.case === "refusal") refuse(this.#imported, found, result.value);
    }
  }

  async stop(): Promise<void> {}
}

/** As BatchGetCounters takes them. */
const NAMES_MAX = 1_000;
