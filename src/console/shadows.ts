import type { Signal } from "@preact/signals";

/**
 * Which policies only try their limits out: looked up for those that counters of the page follow. Over REST, because what
 * reads the messages of another service would make the page larger than all of this.
 */
export class Shadows {
  readonly #prefixes: Signal<ReadonlySet<string>>;
  readonly #headers: () => Record<string, string>;
  /** When each prefix was asked for last. */
  readonly #asked = new Map<string, number>();

  /**
   * @param prefixes  of those, as far as they are known: set by this
   * @param headers   by which the server knows who asks
   */
  constructor(prefixes: Signal<ReadonlySet<string>>, headers: () => Record<string, string>) {
    this.#prefixes = prefixes;
    this.#headers = headers;
  }

  /** Look these prefixes up, unless that was done lately. Where it fails, what was known stays. */
  async look(prefixes: Iterable<string>): Promise<void> {
    for (const prefix of new Set(prefixes)) {
      const now = performance.now();
      if (now - (this.#asked.get(prefix) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) continue;
      this.#asked.set(prefix, now);
      const isShadow = await askWhether(prefix, this.#headers()).catch(() => undefined);
      if (isShadow !== undefined) this.#know(prefix, isShadow);
    }
  }

  #know(prefix: string, isShadow: boolean): void {
    if (this.#prefixes.value.has(prefix) === isShadow) return;
    const others = [...this.#prefixes.value].filter((each) => each !== prefix);
    this.#prefixes.value = new Set(isShadow ? [...others, prefix] : others);
  }
}

/** Seldom beside the list, and soon enough for whoever has just changed it. */
const AGAIN_MS = 5_000;

/** Undefined where the server does not say. The first policy of those that begin so is the one itself. */
async function askWhether(prefix: string, headers: Record<string, string>): Promise<boolean | undefined> {
  const query = new URLSearchParams({ prefix, pageSize: "1" });
  // Relative to the page, as all that it asks.
  const response = await fetch(`v1/policies?${query}`, { headers, signal: AbortSignal.timeout(AGAIN_MS) });
  if (!response.ok) return undefined;
  const { policies = [] } = (await response.json()) as {
    policies?: { prefix?: string; enforcement?: string }[];
  };
  return policies.some((each) => (each.prefix ?? "") === prefix && each.enforcement === "ENFORCEMENT_SHADOW");
}
