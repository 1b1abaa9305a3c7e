import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { type Signal, signal } from "@preact/signals";
import { Enforcement, PolicyService } from "../../gen/browser/tally/v1/policy_service_pb.ts";

/** Which policies only try their limits out: looked up for those that counters of the page follow. */
export class Shadows {
  /** Their prefixes, as far as they are known. */
  readonly prefixes: Signal<ReadonlySet<string>> = signal(new Set());
  readonly #client: Client<typeof PolicyService>;
  /** When each prefix was asked for last. */
  readonly #asked = new Map<string, number>();

  constructor(transport: Transport) {
    this.#client = createClient(PolicyService, transport);
  }

  /** Look these prefixes up, unless that was done lately. Where it fails, what was known stays. */
  async look(prefixes: Iterable<string>): Promise<void> {
    for (const prefix of new Set(prefixes)) {
      const now = performance.now();
      if (now - (this.#asked.get(prefix) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) continue;
      this.#asked.set(prefix, now);
      // The first of those that begin so is the one itself; of GetPolicy's answer nobody needs how far it has come.
      const request = { prefix, pageSize: 1 };
      const answer = await this.#client.listPolicies(request, { timeoutMs: 5_000 }).catch(() => undefined);
      if (answer === undefined) continue;
      const [policy] = answer.policies;
      this.#know(prefix, policy?.prefix === prefix && policy.enforcement === Enforcement.SHADOW);
    }
  }

  #know(prefix: string, isShadow: boolean): void {
    if (this.prefixes.value.has(prefix) === isShadow) return;
    const others = [...this.prefixes.value].filter((each) => each !== prefix);
    this.prefixes.value = new Set(isShadow ? [...others, prefix] : others);
  }
}

/** Seldom beside the list, and soon enough for whoever has just changed it. */
const AGAIN_MS = 5_000;
