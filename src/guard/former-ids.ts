import type { CatalogueEntry } from "../core/catalogue.ts";
import type { Clock } from "../core/clock.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import { ANONYMOUS_ID } from "./names.ts";

/** Under what a store keeps that no request id of before is left in it. */
const KEY = "request-ids-of-before-are-over";

/** What it takes to know. */
export interface FormerIdsOptions {
  readonly mode: "optional" | "required";
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  /** For how much of the service's running time request ids are kept, in milliseconds. */
  readonly keepMs: number;
  /** Told when it could not be written down that none is left, which costs a look more for each id after the next start. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Whether request ids may be left from when callers did not have to say who they are: they are kept under nobody, and a retry
 * of such a call by somebody is to be counted once.
 *
 * While a credential is optional, they may. Once it is required, until a server has run for as long as ids are kept, without
 * a stop between: ids age by running time, so that no clock says it. Then it is written down, for the servers that start after
 * that, until one starts that asks for no credential again.
 */
export class FormerIds {
  readonly #options: FormerIdsOptions;
  readonly #startedMs: number;
  #over: boolean;

  /** @throws TallyError  when the catalogue cannot be read or written */
  static async open(options: FormerIdsOptions): Promise<FormerIds> {
    const { mode, catalogue } = options;
    if (mode === "required") return new FormerIds(options, (await noteIn(catalogue)) !== undefined);
    await FormerIds.comeAgain(catalogue);
    return new FormerIds(options, false);
  }

  /** To be told where callers do not have to say who they are: there will be such ids once they have to. */
  static async comeAgain(catalogue: Catalogue): Promise<void> {
    const found = await noteIn(catalogue);
    if (found === undefined) return;
    // Whoever is quicker has taken it away as well.
    await catalogue.write({ kind: "setting", key: KEY, body: undefined, expectedVersion: found.version });
  }

  private constructor(options: FormerIdsOptions, over: boolean) {
    this.#options = options;
    this.#startedMs = options.clock.monotonic();
    this.#over = over;
  }

  /**
   * Under whom ids of a caller may be kept from before; undefined: under nobody else.
   *
   * @param monotonicMs  just now, by the clock that never goes back
   */
  of(caller: string, monotonicMs = this.#options.clock.monotonic()): string | undefined {
    if (this.#over || caller === ANONYMOUS_ID) return undefined;
    const { mode, keepMs } = this.#options;
    if (mode === "optional" || monotonicMs - this.#startedMs < keepMs) return ANONYMOUS_ID;
    this.#over = true;
    void this.#writeDown();
    return undefined;
  }

  async #writeDown(): Promise<void> {
    const { catalogue, onFailure } = this.#options;
    try {
      if ((await noteIn(catalogue)) !== undefined) return;
      // If another server is quicker, it has written the same.
      await catalogue.write({ kind: "setting", key: KEY, body: "{}", expectedVersion: 0 });
    } catch (error) {
      onFailure(error);
    }
  }
}

/** That none is left, as it was written down; undefined: it was not. */
async function noteIn(catalogue: Catalogue): Promise<CatalogueEntry | undefined> {
  const { entries } = await catalogue.read(0);
  return entries.find(({ kind, key, body }) => kind === "setting" && key === KEY && body !== undefined);
}
