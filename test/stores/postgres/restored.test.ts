/**
 * Goal: a database that was put back to an instant, as docs/backup.md says, has what was committed by then, and what callers
 * hold from after it fits nothing.
 *
 * Method: a server of PostgreSQL's with an archive of its WAL, a base backup, and another server that recovers from both.
 */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { v7 } from "uuid";
import { expect, it, onTestFinished } from "vitest";
import { DEFAULT_RETENTION, type Store } from "../../../src/service/store.ts";
import { newEpochIn } from "../../../src/store-tools.ts";
import { openStore } from "../../../src/stores/open.ts";
import { SYSTEM_CLOCK } from "../../../src/system-clock.ts";
import { commit, increment, set, single } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { newFolder, POSTGRES } from "../../support/postgres/programs.ts";
import { PostgresServer } from "../../support/postgres/server.ts";

async function opened(url: string): Promise<Store> {
  const given = { clock: SYSTEM_CLOCK, newUid: v7, retention: DEFAULT_RETENTION, cachedCountersMax: 0 };
  return openStore(url, { ...given, warn: () => {} });
}

const etagOf = async (store: Store) => {
  const [counter] = await store.get(["seats"]);
  const { uid, revision } = counter as { uid: string; revision: number };
  return `${uid}.${revision}`;
};

describeWith([POSTGRES], "a database that was put back", () => {
  it("has what was before that instant, and is another epoch", async () => {
    const archive = await newFolder(tmpdir());
    onTestFinished(() => rmSync(archive, { recursive: true }));
    const server = await PostgresServer.start({
      wal_level: "replica",
      archive_mode: "on",
      archive_command: `cp %p ${archive}/%f`,
    });
    onTestFinished(() => server.dispose());
    const store = await opened(server.url());
    const order = single(increment("seats", 5n), { id: "before" });
    await commit(store, order);
    const copy = await PostgresServer.baseBackupOf(server, {
      restore_command: `cp ${archive}/%f %p`,
      recovery_target_name: "good",
      recovery_target_action: "promote",
    });
    onTestFinished(() => copy.dispose());
    await commit(store, single(increment("seats", 2n), { id: "after the base" }));
    await server.sql("SELECT pg_create_restore_point('good')");
    const mistake = single(set("seats", 0n), { id: "mistake" });
    await commit(store, mistake);
    const held = await etagOf(store);
    await server.sql("SELECT pg_switch_wal()");
    await store.close();
    await server.stop(); // In order: the last of the WAL is archived.

    await copy.recover();
    const url = copy.url();
    const made = await newEpochIn(url);
    expect(made).toMatchObject({ before: undefined, epoch: expect.stringMatching(/^[0-9a-f]{8}$/) });
    const { epoch } = made as { epoch: string };
    const restored = await opened(url);
    try {
      expect(await restored.get(["seats"])).toMatchObject([{ value: 7n, revision: 2 }]);
      // Whoever held the etag of the mistake: the revision is given again, to another change.
      await commit(restored, single(increment("seats")));
      expect(await etagOf(restored)).toBe(held);
      const stale = await commit(restored, single(set("seats", 1n, { etag: held })));
      expect(stale).toMatchObject([{ refused: { code: "ETAG_MISMATCH", etag: `${held}.${epoch}` } }]);
      const fresh = single(set("seats", 1n, { etag: `${held}.${epoch}` }));
      expect(await commit(restored, fresh)).toMatchObject([{ refused: undefined, results: [{ value: 1n }] }]);
      // A retry from before is answered as then; one of what is gone counts.
      expect(await commit(restored, order)).toMatchObject([{ replayed: true, results: [{ value: 5n }] }]);
      expect(await commit(restored, mistake)).toMatchObject([{ replayed: false, results: [{ value: 0n }] }]);
      // One that serves takes another epoch up with its next commit.
      const again = (await newEpochIn(url)) as { before: string; epoch: string };
      expect(again.before).toBe(epoch);
      const now = await etagOf(restored);
      expect(await commit(restored, single(set("seats", 2n, { etag: `${now}.${epoch}` })))).toMatchObject([
        { refused: { code: "ETAG_MISMATCH", etag: `${now}.${again.epoch}` } },
      ]);
      expect(restored.epoch).toBe(again.epoch);
    } finally {
      await restored.close();
    }
  });
});
