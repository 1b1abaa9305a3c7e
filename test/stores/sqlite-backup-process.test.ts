/** A server's own backups, by a process beside it: whole or not there, and the server counts on. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyArchive } from "../../src/stores/sqlite/backup/verify.ts";
import { apply, batch, commit, increment } from "../support/calls.ts";
import { folderInMemory } from "../support/folder.ts";
import { type Opened, openFresh } from "../support/opened.ts";

let dir = "";
let opened: Opened;
beforeEach(async () => {
  dir = mkdtempSync(join(folderInMemory(), "tally-backup-"));
  opened = await openFresh(async (own) => `sqlite:${join(own, "tally.db")}`);
});
afterEach(async () => {
  await opened.dispose();
  rmSync(dir, { recursive: true });
});

const warnings: string[] = [];

function make(signal = new AbortController().signal, bytesPerSecond = Number.POSITIVE_INFINITY) {
  const [to, part] = [join(dir, "b.tar"), join(dir, "b.part")];
  const warn = (sentence: string) => void warnings.push(sentence);
  return opened.store.backups!.make({ to, part, bytesPerSecond, signal, warn });
}

async function fill(count = 20): Promise<void> {
  const names = (i: number) => Array.from({ length: 500 }, (_, k) => `${"n".repeat(200)}${i}.${k}`);
  for (let i = 0; i < count; i++) await commit(opened.store, batch(names(i).map((name) => increment(name))));
}

/** Once some of it is there: the process loads the sources anew, which on a busy machine takes long. */
async function begun(): Promise<void> {
  const size = () => statSync(join(dir, "b.part/copy.db"), { throwIfNoEntry: false })?.size ?? 0;
  await expect.poll(size, { interval: 5 }).toBeGreaterThan(0);
}

/** The process that makes backups for another one. */
function childOf(parent: number): number {
  const found = readdirSync("/proc").filter((id) => {
    try {
      const isOurs = readFileSync(`/proc/${id}/status`, "utf8").includes(`PPid:\t${parent}\n`);
      return isOurs && readFileSync(`/proc/${id}/cmdline`, "utf8").includes("backup-worker");
    } catch {
      return false; // It has ended meanwhile, or is none.
    }
  });
  expect(found).toHaveLength(1);
  return Number(found[0]);
}

describe("a backup by a process beside the server", () => {
  it("is whole and sound, while its server counts on", async () => {
    await fill(5);
    const making = make();
    let counted = 0n;
    let isMade = false;
    void making.then(() => {
      isMade = true;
    });
    while (!isMade) {
      await apply(opened.store, increment("during"));
      counted++;
    }
    const { manifest, served, bytes } = await making;
    expect([served, manifest.findings]).toEqual([true, 0]);
    expect(readdirSync(dir)).toEqual(["b.tar"]);
    expect(statSync(join(dir, "b.tar"))).toMatchObject({ size: bytes });
    expect(statSync(join(dir, "b.tar")).mode & 0o777).toBe(0o600);
    const found = await verifyArchive(join(dir, "b.tar"), dir, {
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    expect(found.findings).toEqual([]);
    expect(await opened.store.get(["during"])).toMatchObject([{ value: counted }]);
    expect(warnings).toEqual(["The history is not in the backup: there is none."].slice(0, warnings.length));
  });

  it("leaves nothing when it is stopped", async () => {
    await fill();
    const stop = new AbortController();
    const making = make(stop.signal, 2 ** 20);
    const refused = expect(making).rejects.toMatchObject({ code: "CALL_CANCELLED" });
    await begun();
    stop.abort();
    await refused;
    expect(readdirSync(dir)).toEqual([]);
    expect(await apply(opened.store, increment("after"))).toMatchObject({ value: 1n });
  });

  it("that is killed is told of, and the next one takes away what it left", async () => {
    await fill();
    const making = make(undefined, 2 ** 20);
    const refused = expect(making).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: "The backup failed: the process ended with SIGKILL; what it left goes with the next one",
    });
    await begun();
    process.kill(childOf(process.pid), "SIGKILL");
    await refused;
    expect(readdirSync(dir)).toEqual(["b.part"]);
    await make();
    expect(readdirSync(dir)).toEqual(["b.tar"]);
  });

  it("says in one sentence what is in the way", async () => {
    await make();
    await expect(make()).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringMatching(/^\S+b\.tar is there already, and nothing is written over: /),
    });
  });
});
