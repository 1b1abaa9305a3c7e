import { type ErrorCode, TallyError } from "../../../src/core/errors.ts";
import type { Call } from "../../../src/service/call.ts";
import type { Store } from "../../../src/service/store.ts";
import type { Writer } from "../../../src/service/writer.ts";
import { instead } from "../../transports/door.ts";

/** A writer that fails for the counters "fails.REASON", in the way that the name says. */
export function failingWriter(real: Writer): Writer {
  const submit: Writer["submit"] = (call) => failure(call) ?? real.submit(call);
  return { submit } as Writer;
}

/** A store whose reads of the counter "fails.DEFECT" are a defect. */
export function failingStore(real: Store): Store {
  return instead(real, {
    get: (names) =>
      names.includes("fails.DEFECT")
        ? Promise.reject(new TypeError("a defect, for a test"))
        : real.get(names),
  });
}

function failure({ ops }: Call): ReturnType<Writer["submit"]> | undefined {
  if (!("verb" in ops) || !ops.name.startsWith("fails.")) return undefined;
  const code = ops.name.slice("fails.".length) as ErrorCode | "DEFECT" | "DEFECT_AT_ONCE";
  switch (code) {
    case "DEFECT_AT_ONCE":
      throw new TypeError("a defect, for a test");
    case "DEFECT":
      return Promise.reject(new TypeError("a defect, for a test"));
    case "STORE_UNAVAILABLE":
    case "OUTCOME_UNKNOWN":
      return Promise.reject(new TallyError(code, "for a test"));
    case "QUEUE_FULL":
    case "REQUEST_IDS_FULL":
      return Promise.resolve({ code, retryAfterMs: 1_500 });
    default:
      return Promise.resolve({ code });
  }
}
