import { TallyError } from "../../core/errors.ts";

/** A store that cannot be opened or read, and what its operator can do about it, in one sentence. */
export function unusable(sentence: string, cause?: unknown): TallyError {
  return new TallyError("STORE_UNAVAILABLE", sentence, { cause });
}
