/**
 * The thread that archives, whose disk can hang: it opens no file `NAME` while there is a pipe `NAME.hangs`, until that is opened
 * to write.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const { openSync } = fs;
fs.openSync = (path, flags, mode) => {
  if (fs.existsSync(`${path}.hangs`)) fs.closeSync(openSync(`${path}.hangs`, "r"));
  return openSync(path, flags, mode);
};
syncBuiltinESMExports();
await import("../../src/stores/sqlite/archive/archive-worker.ts");
