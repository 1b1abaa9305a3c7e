import type { Verification } from "../../../service/store-findings.ts";
import { beside } from "../file/beside.ts";
import { realPathOf } from "../file/real-path.ts";
import { startFailure } from "../start-failure.ts";
import { type VerifyOptions, verifyFile } from "./verify.ts";

/** See verifyFile. @param path  of the data file, which a server may have meanwhile */
export async function verifySqlite(
  path: string,
  options: Omit<VerifyOptions, "serving">,
): Promise<Verification> {
  const real = await realPathOf(path);
  try {
    const verified = await beside(real, (serving) => verifyFile(real, { ...options, serving }));
    return { store: `SQLite ${real}`, ...verified };
  } catch (error) {
    throw startFailure(real, error);
  }
}
