import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import type { BackupSource } from "../../../service/store-backup.ts";
import type { Verification } from "../../../service/store-findings.ts";
import { historyPathOf } from "../history/path.ts";
import { startFailure } from "../start-failure.ts";
import { type VerifyOptions, verifyFile } from "../verify/verify.ts";
import { HISTORY } from "./manifest.ts";
import { assertRoom, scratchIn } from "./scratch.ts";
import { writeAll } from "./tar.ts";
import { TarReader } from "./tar-reader.ts";

/**
 * Look at a backup: that it is what was written, and at everything in it.
 *
 * @param scratch  the folder to unpack it in; that of the backup, or of what is no file the system's, unless given
 * @throws TallyError STORE_UNAVAILABLE  when it is damaged, or cannot be unpacked
 */
export async function verifyArchive(
  from: BackupSource,
  scratch: string | undefined,
  options: Omit<VerifyOptions, "serving">,
): Promise<Verification> {
  const tar = await TarReader.open(from);
  try {
    const { folder, remove } = scratchIn(resolve(scratch ?? besideOf(from)));
    try {
      const data = join(folder, "copy.db");
      await unpack(tar, data, options);
      const verified = await verifyFile(data, { ...options, serving: undefined });
      return { store: `the backup ${typeof from === "string" ? from : from.name}`, ...verified };
    } catch (error) {
      throw startFailure(folder, error);
    } finally {
      remove();
    }
  } finally {
    await tar.close();
  }
}

/** The folder of a file; what is a pipe has none that is good for anything. */
function besideOf(from: BackupSource): string {
  const isFile = typeof from === "string" && statSync(from, { throwIfNoEntry: false })?.isFile();
  return isFile ? dirname(from) : tmpdir();
}

async function unpack(tar: TarReader, data: string, { signal, onProgress }: Omit<VerifyOptions, "serving">) {
  const { files } = tar.manifest;
  assertRoom(
    dirname(data),
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  for (const file of files) {
    const handle = await open(file.name === HISTORY ? historyPathOf(data) : data, "wx", 0o600);
    try {
      let rows = 0;
      for await (const piece of tar.extract(file)) {
        if (signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
        await writeAll(handle, piece);
        onProgress({ part: "what is in it", rows: ++rows });
      }
    } finally {
      await handle.close();
    }
  }
  await tar.end();
}
