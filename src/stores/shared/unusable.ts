import { TallyError } from "../../core/errors.ts";

/** A store that cannot be opened or read, and what its operator can do about it, in one sentence. */
export function unusable(sentence: string, cause?: unknown): TallyError {
  return new TallyError("STORE_UNAVAILABLE", sentence, { cause });
}

/** A store that a URL does not name as it must be named, or that is of another kind than what is asked of it. */
export function misnamed(sentence: string): TallyError {
  // Among the codes of databases and of the system.
  return unusable(sentence, { code: "STORE_MISNAMED" });
}
