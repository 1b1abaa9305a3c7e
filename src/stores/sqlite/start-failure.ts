import { TallyError } from "../../core/errors.ts";
import { unusable } from "../shared/unusable.ts";

/** What SQLite's error at opening means to an operator, in one sentence. */
export function startFailure(path: string, error: unknown): TallyError {
  if (error instanceof TallyError) return error;
  const code = (error as { code?: string }).code ?? "";
  if (code === "SQLITE_NOTADB") {
    return unusable(
      `${path} is not an SQLite database, or its head is damaged; give another path, or restore it.`,
      error,
    );
  }
  if (code.startsWith("SQLITE_CORRUPT")) {
    return unusable(`${path} is damaged (${code}); restore it from a backup.`, error);
  }
  if (
    code.startsWith("SQLITE_CANTOPEN") ||
    code.startsWith("SQLITE_READONLY") ||
    code.startsWith("SQLITE_PERM")
  ) {
    return unusable(
      `${path} cannot be opened for writing; check that the folder exists and who may write there.`,
      error,
    );
  }
  if (code === "SQLITE_BUSY") {
    return unusable(`${path} is in use by another process (${code}); stop that one first.`, error);
  }
  if (code === "SQLITE_FULL") return unusable(`There is no room on the disk of ${path}; free some.`, error);
  return unusable(
    `${path} cannot be opened: ${error instanceof Error ? error.message : error} (${code || "no code"}).`,
    error,
  );
}
