import { setTimeout as pause } from "node:timers/promises";
import { type ErrorCode, type Refusal, TallyError } from "../../../core/errors.ts";
import type { StreamContext } from "../stream.ts";

/**
 * Wait for what takes long, and tell now and then that it goes on.
 *
 * @param everyMs  how often
 * @param tell     the message that says so
 * @param unwanted told what came of it after all, when nobody waits for it any more
 * @returns        what came of it
 */
export async function* untilSettled<Result extends object>(
  work: Promise<Result>,
  signal: AbortSignal,
  everyMs: number,
  tell: () => Uint8Array,
  unwanted: (result: Result) => void = () => {},
): AsyncGenerator<Uint8Array, Result> {
  let isOver = false;
  try {
    for (;;) {
      const stop = new AbortController();
      const tick = pause(everyMs, undefined, { signal: AbortSignal.any([signal, stop.signal]) });
      const result = await Promise.race([work, tick.catch(() => {})]).finally(() => stop.abort());
      if (result !== undefined) {
        isOver = true;
        return result;
      }
      yield tell();
    }
  } finally {
    if (!isOver) work.then(unwanted, () => {});
  }
}

/** A failure of the world as the refusal by some code that tells why; a defect stays one. */
export function failedAs(code: ErrorCode): (error: unknown) => Refusal {
  return (error) => {
    if (!(error instanceof TallyError)) throw error;
    if (error.code === "CALL_CANCELLED") return { code: error.code };
    return { code, expected: error.message.replace(/\.$/, "") };
  };
}

/** Who has asked, as the log tells it. */
export function callerIn({ access, callerName }: Pick<StreamContext, "access" | "callerName">) {
  const { credential, keyId, address } = access?.identity ?? {};
  return { by: callerName ?? "", credential, key_id: keyId, address };
}
