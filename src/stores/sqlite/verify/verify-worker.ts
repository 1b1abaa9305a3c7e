/** The process in which a server has its own files looked at: beside it, as `tally verify` does. */
import type { Verification, VerifyProgress } from "../../../service/store-findings.ts";
import { answerOnce } from "../process/answering.ts";
import type { VerifyRequest } from "./in-process.ts";
import { verifySqlite } from "./opening.ts";

/** A slice takes some milliseconds; people look less often. */
const TELL_EVERY_MS = 250;

answerOnce<VerifyRequest, VerifyProgress, Verification>(({ path }, { signal, tell }) => {
  let toldAt = Number.NEGATIVE_INFINITY;
  return verifySqlite(path, {
    signal,
    onProgress(progress) {
      const now = performance.now();
      if (now - toldAt < TELL_EVERY_MS) return;
      toldAt = now;
      tell(progress);
    },
  });
});
