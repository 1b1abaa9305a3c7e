import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { unusable } from "../../shared/unusable.ts";

/** The path by which every process knows the file, whatever links lead to it. */
export async function realPathOf(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    // Not made yet: its folder is what must be there.
  }
  try {
    return join(await realpath(dirname(absolute)), basename(absolute));
  } catch (cause) {
    throw unusable(
      `The folder ${dirname(absolute)} does not exist; make it, or give another path for the store.`,
      cause,
    );
  }
}
