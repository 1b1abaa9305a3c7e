/** Every store that the conformance suite runs on, opened fresh for each test. */
import { join } from "node:path";
import { FULL } from "./full.ts";
import type { Need } from "./needs.ts";
import { type Opened, type OpenOptions, openFresh } from "./opened.ts";
import { type ServerClock, underHandClock } from "./postgres/hand-clock.ts";
import { POSTGRES } from "./postgres/programs.ts";
import { newSchema, sharedPostgres } from "./postgres/shared.ts";

export interface StoreKind {
  readonly name: string;
  /** What must be installed for it. */
  readonly needs: readonly Need[];
  /** Of a store that is not there yet, in a folder of its own if it is a file. */
  readonly newUrl: (dir: string) => Promise<string>;
  open(options?: OpenOptions): Promise<Opened>;
}

export const STORES: readonly StoreKind[] = [
  kind("memory", [], async () => "memory:"),
  kind("sqlite", [], async (dir) => `sqlite:${join(dir, "tally.db")}`),
  kind(
    "postgres",
    [POSTGRES],
    async () => (await sharedPostgres()).url({ schema: newSchema() }),
    underHandClock,
  ),
];

/**
 * The stores that one is copied into: with TALLY_TEST_FULL=1 all; otherwise so that each kind is read from and written to, and
 * those that outlive a process are copied into their own. Between any two goes the same.
 */
export function targetsOf(kind: StoreKind): readonly StoreKind[] {
  const into = FULL ? STORES.map(({ name }) => name) : TARGETS[kind.name]!;
  return STORES.filter(({ name }) => into.includes(name));
}

const TARGETS: Readonly<Record<string, readonly string[]>> = {
  memory: ["sqlite"],
  sqlite: ["sqlite", "postgres"],
  postgres: ["memory", "sqlite", "postgres"],
};

/** @param serverClock  where the store's clock is a server's: gives a URL under which it is one that a test moves */
function kind(
  name: string,
  needs: readonly Need[],
  newUrl: StoreKind["newUrl"],
  serverClock?: (url: string) => Promise<ServerClock>,
): StoreKind {
  return { name, needs, newUrl, open: (options) => openFresh(newUrl, options, serverClock) };
}
