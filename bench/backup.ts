import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { besideIncrements } from "./beside/increments.ts";
import { databaseIn, openTally } from "./servers.ts";

/** `npm run bench:backup`: Increments beside a backup at the default rate, as cron would make it; see README.md in this folder. */

const TALLY = fileURLToPath(new URL("../bin/tally.mjs", import.meta.url));

await besideIncrements(process.argv.slice(2), {
  name: "backup",
  openServer: openTally,
  async run(_, directory) {
    const file = join(directory, "backup.tar");
    const args = [TALLY, "backup", "--store", `sqlite:${databaseIn(directory)}`, "--to", file, "--quiet"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error("the backup failed");
    rmSync(file);
  },
});
