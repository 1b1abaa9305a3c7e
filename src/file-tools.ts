import { constants, setPriority } from "node:os";
import { TallyError } from "./core/errors.ts";
import type { Verification, VerifyProgress } from "./service/store-findings.ts";
import { StartError, storeStartFailure } from "./start-error.ts";
import { sqlitePathOf } from "./stores/open.ts";

/** How something is done to a store's files, which may take long. */
export interface FileToolOptions {
  /** Ends it; then it rejects with "stopped". */
  readonly signal: AbortSignal;
}

/**
 * Look at everything that a store keeps, whether or not a server has it.
 *
 * @throws StartError  when it cannot be looked at
 */
export async function verifyStore(
  url: string,
  options: FileToolOptions & { readonly onProgress: (progress: VerifyProgress) => void },
): Promise<Verification> {
  return ofFile(async () => {
    const path = sqlitePathOf(url, POSTGRES_VERIFY);
    const { verifySqlite } = await import("./stores/sqlite/verify/opening.ts");
    return verifySqlite(path, options);
  });
}

const POSTGRES_VERIFY =
  "A PostgreSQL store is not in files of Tally's: pg_amcheck looks at its tables and indexes, `tally accept --store URL` for counters whose changes do not lead to their values.";

/** Do something to a file, and give way to whoever counts meanwhile. */
async function ofFile<Result>(work: () => Promise<Result>): Promise<Result> {
  if (process.platform === "linux") setPriority(constants.priority.PRIORITY_LOW); // Elsewhere there may be no way back.
  try {
    return await work();
  } catch (error) {
    if (error instanceof TallyError && error.code === "CALL_CANCELLED")
      throw new StartError("STORE_FAILED", "It was stopped.", { cause: error });
    throw storeStartFailure(error);
  }
}
