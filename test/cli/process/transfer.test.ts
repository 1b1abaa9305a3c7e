/** Imports and exports that are killed, or whose server is: run again, each counter is set once, and a file is whole. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RPC } from "../../../src/client/client.ts";
import { restartable } from "./server.ts";
import { folder, tally } from "./tally.ts";

const COUNT = 6_000;
const nameOf = (i: number) => `k:${`${i}`.padStart(5, "0")}`;
/** In the middle: some slices are in, and some are not. */
const MIDDLE = nameOf(2_500);

function fileOfMany(): string {
  const path = join(folder(), "many.csv");
  const rows = Array.from({ length: COUNT }, (_, i) => `${nameOf(i)},${2n ** 62n + BigInt(i)}`);
  writeFileSync(path, `name,value\n${rows.join("\n")}\n`);
  return path;
}

type Server = Awaited<ReturnType<typeof restartable>>;

/** Resolves when the counter in the middle is there. */
async function reached({ values }: Server): Promise<void> {
  while ((await values(MIDDLE))[0] === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Every counter: its value less what the file has for it, and how often it was changed. */
async function found({ client }: Server): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (let pageToken = ""; ; ) {
    const page = await client.call(RPC.listCounters, { pageSize: 1_000, pageToken });
    for (const { name, value, revision } of page.counters)
      all.set(name, `${value - 2n ** 62n - BigInt(name.slice(2))} in ${revision}`);
    if (page.nextPageToken === "") return all;
    pageToken = page.nextPageToken;
  }
}

const everyOne = (besides: Readonly<Record<string, string>> = {}) =>
  new Map(Array.from({ length: COUNT }, (_, i) => [nameOf(i), besides[nameOf(i)] ?? "0 in 1"]));

describe("an import", () => {
  it("killed in the middle and run again sets nothing twice, whatever was counted between", async () => {
    const server = await restartable();
    const args = ["import", fileOfMany(), "--server", server.address, "-o", "json"];
    const killed = tally(args);
    await reached(server);
    killed.child.kill("SIGKILL");
    await killed.ended;
    await server.client.call(RPC.increment, { name: nameOf(0), amount: 7n });
    const { code, stdout } = await tally(args).ended;
    expect(code).toBe(0);
    const { made, set, before } = JSON.parse(stdout);
    expect([made + before, set]).toEqual([COUNT, 0]);
    expect(before).toBeGreaterThan(2_500);
    expect(await found(server)).toEqual(everyOne({ [nameOf(0)]: "7 in 2" }));
  });

  it("waits for a server that was killed, and sets each counter once", async () => {
    const server = await restartable();
    const run = tally(["import", fileOfMany(), "--server", server.address, "-o", "json"]);
    await reached(server);
    await server.kill();
    await server.start();
    const { code, stdout } = await run.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, counters: COUNT, set: 0 });
    expect(await found(server)).toEqual(everyOne());
  });

  it("gives up on one that stays away, says what to do, and goes on then", async () => {
    const server = await restartable();
    const args = ["import", fileOfMany(), "--server", server.address, "-o", "json", "--timeout", "2s"];
    const run = tally(args);
    await reached(server);
    await server.kill();
    const { code, stdout, stderr } = await run.ended;
    expect(code).toBe(69);
    expect(JSON.parse(stdout)).toMatchObject({ complete: false });
    expect(stderr).toMatch(/^tally: Gave up on .* Run the same command again within an hour: /m);
    await server.start();
    expect((await tally(args).ended).code).toBe(0);
    expect(await found(server)).toEqual(everyOne());
  });

  it("Ctrl-C: what is on its way is answered, and the rest comes with the next run", async () => {
    const server = await restartable();
    const args = ["import", fileOfMany(), "--server", server.address, "-o", "json"];
    const run = tally(args);
    await reached(server);
    run.child.kill("SIGINT");
    const { signal, stdout, stderr } = await run.ended;
    expect(signal).toBe("SIGINT");
    expect(stderr).toMatch(/^Stopping when what is on its way is answered\. Run the same command again/);
    expect(JSON.parse(stdout)).toMatchObject({ complete: false });
    expect((await tally(args).ended).code).toBe(0);
    expect(await found(server)).toEqual(everyOne());
  });
});

describe("an export", () => {
  it("killed while its server is away goes on in the same file", async () => {
    const server = await restartable();
    await tally(["import", fileOfMany(), "--server", server.address]).ended;
    const path = join(folder(), "out.ndjson");
    const args = ["export", "--to", path, "--server", server.address];
    const killed = tally(args);
    const state = () =>
      existsSync(`${path}.part.state`) ? JSON.parse(readFileSync(`${path}.part.state`, "utf8")).bytes : -1;
    while (state() < 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await server.kill();
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect(existsSync(path)).toBe(false);
    await server.start();
    const { code, stderr } = await tally(args).ended;
    expect(stderr).toMatch(/Exported 6,000 counters/);
    expect(code).toBe(0);
    const lines = readFileSync(path, "utf8").trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).name)).toEqual([...everyOne().keys()]);
  });

  it("waits for a server that was killed, and is whole", async () => {
    const server = await restartable();
    await tally(["import", fileOfMany(), "--server", server.address]).ended;
    const path = join(folder(), "out.csv");
    const run = tally(["export", "-o", "csv", "--to", path, "--server", server.address]);
    while (!existsSync(`${path}.part`)) await new Promise((resolve) => setTimeout(resolve, 1));
    await server.kill();
    await server.start();
    expect((await run.ended).code).toBe(0);
    const [, ...rows] = readFileSync(path, "utf8").trim().split("\r\n");
    expect(rows.map((row) => row.split(",")[0])).toEqual([...everyOne().keys()]);
  });
});
