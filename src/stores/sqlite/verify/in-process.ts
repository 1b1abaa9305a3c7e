import type { Verification, Verifying, VerifyProgress } from "../../../service/store-findings.ts";
import { askProcess } from "../process/asking.ts";

/** What the process is asked, once. */
export interface VerifyRequest {
  readonly path: string;
}

/** A file that this process serves, looked at by another one. @param path  the real path of the data file */
export function verifyingOf(path: string): Verifying {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  return {
    verify: ({ signal, onProgress }) =>
      askProcess<VerifyRequest, VerifyProgress, Verification>({
        module: new URL(`./verify-worker${extension}`, import.meta.url),
        request: { path },
        failed: (why) => `The store could not be verified: ${why}`,
        ...{ signal, onProgress },
      }),
  };
}
