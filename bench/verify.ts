import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bearer } from "./auth/callers.ts";
import { besideIncrements } from "./beside/increments.ts";
import { openTally } from "./servers.ts";

/**
 * `npm run bench:verify`: Increments beside a Verify (`tally verify --server`), for which the server starts a process; see
 * README.md in this folder.
 */

const rootKey = randomBytes(32).toString("hex");

await besideIncrements(process.argv.slice(2), {
  name: "Verify",
  openServer(directory) {
    const rootKeyFile = join(directory, "root.key");
    writeFileSync(rootKeyFile, rootKey, { mode: 0o600 });
    // Verify is for who may administrate; increments have no credential to look at, as those beside a backup.
    const asking = ["--auth", "optional", "--root-key-file", rootKeyFile];
    return openTally(directory, undefined, undefined, asking);
  },
  async run({ port }) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/admin/store:verify`, {
      ...{ method: "POST", body: "{}" },
      headers: { ...bearer(rootKey), "content-type": "application/json" },
    });
    const last = (await answer.text()).trimEnd().split("\n").at(-1)!;
    const { result } = JSON.parse(last) as { result?: { verification?: { findings: string } } };
    if (result?.verification?.findings !== "0") throw new Error(`the store was not verified: ${last}`);
  },
});
