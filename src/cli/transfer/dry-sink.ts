import { RPC, type TallyClient } from "../../client/client.ts";
import { type Foreseen, madeOf, type Unforeseen, unsettable } from "./foreseen.ts";
import type { Imported } from "./imported.ts";
import { type Found, PATIENT, refuse, type Sink } from "./sink.ts";

/**
 * Asks what an import would come to, and changes nothing: of each line, with what the lines before it would have done to
 * its name. What policies and the server's settings say, and what the caller may do, only the import asks.
 */
export class DrySink implements Sink {
  readonly #client: TallyClient;
  readonly #imported: Imported;
  readonly #keep: boolean;
  #found: Found[] = [];
  /** By name: what a line before would have made of a counter. */
  readonly #after = new Map<string, Foreseen>();

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
      const before = this.#after.get(found.name);
      if (before !== undefined) this.#onto(before, found);
      else if (result.case === "counter") this.#onto(result.value, found);
      else if (result.case === "refusal" && result.value.reason === "COUNTER_NOT_FOUND") this.#make(found);
      else if (result.case === "refusal") refuse(this.#imported, found, result.value);
    }
  }

  #make(found: Found): void {
    const made = madeOf(found);
    if ("reason" in made) this.#refuse(found, made);
    else {
      this.#imported.made++;
      this.#after.set(found.name, made);
    }
  }

  #onto(counter: Foreseen, found: Found): void {
    const { name, value } = found;
    if (this.#keep || counter.value === value) {
      this.#imported.kept++;
      return;
    }
    const unforeseen = unsettable(counter, value);
    if (unforeseen !== undefined) {
      this.#refuse(found, unforeseen);
      return;
    }
    this.#imported.set++;
    const { min, max, monotonic } = counter;
    const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    this.#after.set(name, { value, monotonic, ...bounds });
  }

  #refuse(found: Found, unforeseen: Unforeseen): void {
    refuse(this.#imported, found, { ...unforeseen, metadata: {} });
  }

  async stop(): Promise<void> {}
}

/** As BatchGetCounters takes them. */
const NAMES_MAX = 1_000;
