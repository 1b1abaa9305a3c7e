import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import { figure } from "../count/summary.ts";
import type { Imported } from "./imported.ts";
import { PATIENT } from "./sink.ts";

/**
 * What a run before has imported, and this one has not again: whether it is still there. Who has deleted counters and
 * imports their file once more expects them back, and is not to be told that all is well.
 */
export class Before {
  readonly #client: TallyClient;
  readonly #imported: Imported;
  #names: string[] = [];

  constructor(client: TallyClient, imported: Imported) {
    this.#client = client;
    this.#imported = imported;
  }

  /** Note one. Resolves when the next can be taken. @throws CallError  when the server takes no more calls */
  async add(name: string): Promise<void> {
    this.#imported.before++;
    this.#names.push(name);
    if (this.#names.length === NAMES_MAX) await this.finish();
  }

  /** Look for the last of them. @throws CallError */
  async finish(): Promise<void> {
    const names = this.#names;
    this.#names = [];
    if (names.length === 0) return;
    try {
      const { results } = await this.#client.call(RPC.batchGetCounters, { names }, PATIENT);
      for (const { result } of results)
        if (result.case === "refusal" && result.value.reason === "COUNTER_NOT_FOUND") this.#imported.gone++;
    } catch (error) {
      if (!(error instanceof CallError) || error.reason !== "PERMISSION_DENIED") throw error;
      this.#imported.unseen += names.length; // To import takes no `read`.
    }
  }
}

/** So many with all their settings are an answer of less than 4 MiB. */
const NAMES_MAX = 250;

/** Nothing was made of them, and that is no success: a sentence. Undefined where all are there. */
export function goneIn({ before, gone }: Imported): string | undefined {
  if (gone === 0) return undefined;
  return (
    `Of ${figure(before)} imported before ${gone === 1 ? "1 is" : `${figure(gone)} are`} not there now: deleted or expired since, ` +
    "and not made again. The same command with --import-id NEW (any text) and --existing keep makes those alone; without " +
    "--existing keep it sets all once more."
  );
}
