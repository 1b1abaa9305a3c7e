/** What the tests of failing servers stand on. */
import { expect, it } from "vitest";
import { describeWith } from "../needs.ts";
import { POSTGRES } from "./programs.ts";
import { PostgresServer } from "./server.ts";
import { newSchema, sharedPostgres } from "./shared.ts";

describeWith([POSTGRES], "PostgreSQL", () => {
  it("is one server for all who share it, with a schema for each", async () => {
    const [one, other] = await Promise.all([sharedPostgres(), sharedPostgres()]);
    expect(one.port).toBe(other.port);
    const [mine, yours] = [newSchema(), newSchema()];
    await one.sql(`CREATE SCHEMA ${mine} CREATE TABLE counts (value int)`, "tally");
    await other.sql(`CREATE SCHEMA ${yours} CREATE TABLE counts (value int)`, "tally");
    expect(one.url({ schema: mine })).toMatch(/^postgres:\/\/.+\?schema=test_[0-9a-f]{16}$/);
  });

  it("keeps what it committed when it is killed, and a synchronous standby has it too", async () => {
    const settings = { synchronous_standby_names: "b" };
    const primary = await PostgresServer.start();
    let standby: PostgresServer | undefined;
    try {
      await primary.sql("CREATE TABLE counts (value int)");
      await primary.sql("INSERT INTO counts VALUES (1)");
      await primary.kill();
      await expect(primary.sql("SELECT 1")).rejects.toThrow("Connection refused");
      await primary.restart();
      standby = await PostgresServer.standbyOf(primary, "b", settings);
      await primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'b'");
      await primary.sql("SELECT pg_reload_conf()");
      await primary.sql("INSERT INTO counts VALUES (2)");
      expect(await standby.isStandby()).toBe(true);
      await primary.kill();
      await standby.promote();
      expect(await standby.sql("SELECT value FROM counts ORDER BY value")).toBe("1\n2");
    } finally {
      await Promise.all([primary.dispose(), standby?.dispose()]);
    }
  });
});
