/**
 * Put before everything else with --import: a store in memory whose commits fail for good, as SQLite's do when the
 * disk reports an error. And SIGUSR2 is a defect.
 */
import { registerHooks } from "node:module";
import { TallyError } from "../../../src/core/errors.ts";
import type { Store, StoreOptions } from "../../../src/service/store.ts";

registerHooks({
  resolve(specifier, context, next) {
    return next(specifier.endsWith("/stores/open.ts") ? import.meta.url : specifier, context);
  },
});

process.on("SIGUSR2", () => {
  throw new Error("a seeded defect");
});

/** In the place of the one in src/stores/open.ts. */
export async function openStore(_url: string, options: StoreOptions): Promise<Store> {
  const { MemoryStore } = await import("../../../src/stores/memory/store.ts");
  const failed = Promise.withResolvers<Error>();
  return new (class extends MemoryStore {
    override readonly failed = failed.promise as Promise<never>;
    override async commit(): Promise<never> {
      const error = new TallyError("OUTCOME_UNKNOWN", "the commit failed", { cause: "SQLITE_IOERR_FSYNC" });
      failed.resolve(error);
      throw error;
    }
  })(options);
}

export async function isNewStore(): Promise<boolean> {
  return true;
}

export async function assertUnservedStore(): Promise<void> {}
