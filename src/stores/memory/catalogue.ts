import { assertCatalogueWrite, type CatalogueEntry, type CatalogueWrite } from "../../core/catalogue.ts";
import { type Epoch, epochIn } from "../../core/epoch.ts";
import type { Catalogue, CatalogueChanges } from "../../service/store-catalogue.ts";
import { KeyUsesInMemory } from "./key-uses.ts";

/** The catalogue, kept in memory: see Catalogue. */
export class CatalogueInMemory implements Catalogue {
  /** When its keys were last used. */
  readonly keyUses: KeyUsesInMemory;
  /** By kind and key. */
  readonly #entries = new Map<string, CatalogueEntry>();
  readonly #assertOpen: () => void;
  readonly now: () => number;
  #version = 0;

  /** @param assertOpen  throws when the store is closed */
  constructor(assertOpen: () => void, now: () => number) {
    this.#assertOpen = assertOpen;
    this.keyUses = new KeyUsesInMemory(assertOpen);
    this.now = now;
  }

  /** Of the latest write. */
  get version(): number {
    return this.#version;
  }

  get epoch(): Epoch {
    return epochIn({ entries: [...this.#entries.values()], corrupt: [] });
  }

  async read(since: number): Promise<CatalogueChanges> {
    this.#assertOpen();
    return this.since(since);
  }

  /** The same, for the store itself. */
  since(since: number): CatalogueChanges {
    const entries = [...this.#entries.values()].filter(({ version }) => version > since);
    return { version: this.#version, entries: entries.sort((a, b) => a.version - b.version), corrupt: [] };
  }

  async write(entry: CatalogueWrite): Promise<number | undefined> {
    this.#assertOpen();
    assertCatalogueWrite(entry);
    const { kind, key, body, expectedVersion, latestVersion = this.#version } = entry;
    const found = this.#entries.get(idOf(entry));
    if ((found?.body === undefined ? 0 : found.version) !== expectedVersion) return undefined;
    if (latestVersion !== this.#version) return undefined;
    this.#entries.set(idOf(entry), { kind, key, version: ++this.#version, body });
    if (kind === "key" && body === undefined) this.keyUses.forget(key);
    return this.#version;
  }

  clear(): void {
    this.#entries.clear();
    this.keyUses.clear();
    this.#version = 0;
  }

  import(entries: readonly CatalogueEntry[]): void {
    for (const entry of entries) {
      this.#entries.set(idOf(entry), entry);
      this.#version = Math.max(this.#version, entry.version);
    }
  }
}

function idOf({ kind, key }: { kind: string; key: string }): string {
  return `${kind} ${key}`;
}
