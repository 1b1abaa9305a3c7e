/** A copy and servers on one PostgreSQL: a file keeps them apart by itself, a database does not. */
import { v7 } from "uuid";
import { expect, it, onTestFinished } from "vitest";
import { copyStore } from "../../../src/service/copy.ts";
import { takeInAll } from "../../../src/service/history-follower.ts";
import { DEFAULT_RETENTION, type Purpose, type Store } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY, type HistoryOptions } from "../../../src/service/store-history.ts";
import { openStore } from "../../../src/stores/open.ts";
import { apply, increment, set } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../../support/postgres/shared.ts";
import { allChanges } from "../conformance/changes.ts";
import { ALL } from "../conformance/time-log.ts";

describeWith([POSTGRES], "a copy on PostgreSQL", () => {
  it("nobody counts in the source meanwhile: a server that runs is told so, one that starts is refused", async () => {
    const url = await newUrl();
    const server = await open(url);
    await apply(server, increment("a"), { id: "first" });
    const source = await open(url, "copyFrom");
    await expect(apply(server, increment("a"), { id: "second" })).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: "a copy has the store; nothing was saved",
    });
    expect(await server.maintain()).toBe(false); // Leaves it alone.
    await expect(open(url)).rejects.toThrow("`tally copy` has it; wait until that has ended");
    expect(await allChanges(source)).toMatchObject([{ name: "a", value: 1n }]);
    await source.close();
    expect(await apply(server, increment("a"), { id: "second" })).toMatchObject({ value: 2n, revision: 2 });
  });

  it("nor in a target with half a copy, though the server was there before and the copy is gone", async () => {
    const [from, to] = [await newUrl(), await newUrl()];
    await apply(await open(from), increment("a", 3n));
    const server = await open(to);
    const [source, target] = [await open(from, "copyFrom"), await open(to, "copyTo")];
    await target.copying!.beginImport(await source.copying!.exportHead());
    await target.close(); // As its death would.
    const half = "was begun and has not ended";
    await expect(apply(server, increment("a"))).rejects.toThrow(half);
    await server.maintain();
    for (const read of [
      () => server.get(["a"]),
      () => server.list(ALL, "", 1),
      () => server.top(ALL, 1, "highest"),
      () => server.sum(ALL),
      () => server.changesSince("", 1),
      () => server.probeReads(),
    ])
      await expect(read()).rejects.toThrow(half);
    await expect(open(to)).rejects.toThrow(half);
    const again = await open(to, "copyTo");
    await copyStore(source, again);
    await source.close();
    await again.close();
    await server.maintain();
    expect(await server.get(["a"])).toMatchObject([{ value: 3n }]);
  });

  it("nor does one take anything into its history meanwhile, or has what is copied for a copy after it", async () => {
    const [from, to] = [await newUrl(), await newUrl()];
    const first = await open(from, "serve", DEFAULT_HISTORY);
    await apply(first, set("a", 3n));
    await takeInAll(first, first.history!.intake, { waitMs: 0, pageChanges: 10 });
    await first.close();
    const server = await open(to, "serve", DEFAULT_HISTORY);
    expect(await server.history!.intake.begin()).toBe("");
    const [source, target] = [await open(from, "copyFrom"), await open(to, "copyTo")];
    await target.copying!.beginImport(await source.copying!.exportHead());
    expect(await server.history!.intake.begin()).toBeUndefined();
    expect(await copyStore(source, target)).toMatchObject({ history: { counters: 1, rows: 1, changes: 1 } });
    const { copy } = await target.copying!.importState();
    expect(copy).toMatchObject({ ended: true });
    expect(await server.history!.intake.begin()).toBeUndefined(); // While the copy still has it.
    await target.close();
    expect(await server.history!.intake.begin()).not.toBe("");
    const again = await open(to, "copyTo");
    expect((await again.copying!.importState()).copy).toBeUndefined();
    await expect(copyStore(source, again)).rejects.toThrow("history or anything else of its own");
    expect((await server.history!.changes("a", undefined, 9)).changes).toMatchObject([{ value: 3n }]);
  });

  it("a server that takes the source's log into its history leaves that to the copy", async () => {
    const [from, to] = [await newUrl(), await newUrl()];
    const server = await open(from, "serve", DEFAULT_HISTORY);
    const { intake } = server.history!;
    await apply(server, set("a", 3n));
    await takeInAll(server, intake, { waitMs: 0, pageChanges: 10 });
    await apply(server, set("a", 4n));
    const [page, met] = [await server.changeLog.read((await intake.begin())!, 10), new Map()];
    const source = await open(from, "copyFrom");
    const copied = copyStore(source, await open(to, "copyTo"));
    expect((await intake.take(page, met)) && (await intake.save())).toBe(false);
    expect(await intake.begin()).toBeUndefined();
    expect(await copied).toMatchObject({ history: { counters: 1, rows: 1, changes: 2 } });
  });

  it("what a server has counted since the copy ended is not taken for a part of it", async () => {
    const [from, to] = [await newUrl(), await newUrl()];
    await apply(await open(from), increment("a", 3n));
    const source = await open(from, "copyFrom");
    const target = await open(to, "copyTo");
    await copyStore(source, target);
    await target.close();
    const server = await open(to);
    expect(await apply(server, increment("a"))).toMatchObject({ value: 4n, revision: 2 });
    await server.close();
    await expect(copyStore(source, await open(to, "copyTo"))).rejects.toThrow("of its own");
  });
});

async function newUrl(): Promise<string> {
  return (await sharedPostgres()).url({ schema: newSchema() });
}

async function open(url: string, purpose: Purpose = "serve", history?: HistoryOptions): Promise<Store> {
  const options = { clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 0, warn: () => {} };
  const store = await openStore(url, { ...options, retention: DEFAULT_RETENTION, purpose, history });
  return closedAtTheEnd(store);
}

function closedAtTheEnd(store: Store): Store {
  onTestFinished(() => store.close());
  return store;
}
