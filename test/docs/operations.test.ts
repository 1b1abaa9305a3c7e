/** docs/OPERATIONS.md says of each event, reason and alert what to do: of all there are, and of no other. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { KEYS } from "../../src/config.ts";
import { LOG_EVENTS } from "../../src/telemetry/log-events.ts";
import { SERIES } from "../../src/telemetry/series.ts";
import { STATUS } from "../../src/transports/status.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PAGE = readFileSync(path.join(ROOT, "docs/OPERATIONS.md"), "utf8");

const section = (title: string) => PAGE.split(`\n## ${title}\n`)[1]!.split("\n## ")[0]!;
const rows = (title: string) =>
  [...section(title).matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)].map(([, name, rest]) => ({
    name: name!,
    cells: rest!.split(" | ").map((cell) => cell.trim()),
  }));

describe("docs/OPERATIONS.md", () => {
  it("has every event of the log with its level, each once, and something to do", () => {
    const told = rows("The log");
    const levels = Object.fromEntries(told.map(({ name, cells: [level] }) => [name, level]));
    expect(levels).toEqual(
      Object.fromEntries(Object.entries(LOG_EVENTS).map(([event, [level]]) => [event, level])),
    );
    expect(told).toHaveLength(Object.keys(LOG_EVENTS).length);
    for (const { name, cells } of told) expect(cells[1], name).toMatch(/^\S.*\.$/);
  });

  it("has every reason, either as the operator's, with something to do, or as the caller's", () => {
    const text = section("Reasons");
    const own = rows("Reasons");
    for (const { name, cells } of own) expect(cells[0], name).toMatch(/^\S.*\.$/);
    const callers = text.slice(text.indexOf("These are the caller's"));
    const named = [...callers.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name!);
    expect([...own.map(({ name }) => name), ...named].sort()).toEqual(Object.keys(STATUS).sort());
  });

  it("names no setting, event or series that there is not", () => {
    const known = new Set<string>([
      ...Object.values(KEYS).map(({ name }) => name),
      ...Object.keys(LOG_EVENTS),
    ]);
    const settings = [...PAGE.matchAll(/`([a-z][a-z0-9]*(?:-[a-z0-9]+)+)(?: = [^`]*)?`/g)].map(
      ([, name]) => name!,
    );
    const events = [...PAGE.matchAll(/`([a-z0-9]+\.[a-z_]+)`/g)].map(([, name]) => name!);
    expect([...settings, ...events].filter((name) => !known.has(name) && name !== "systemd-notify")).toEqual(
      [],
    );
    const series = new Set<string>(Object.values(SERIES).map(({ name }) => name));
    for (const [, name] of PAGE.matchAll(/`(tally_[a-z_]+)`/g)) expect(series).toContain(name);
  });

  it("has every alert of deploy/prometheus, in its order, with something to do", () => {
    const told = rows("Alerts");
    const rules = readFileSync(path.join(ROOT, "deploy/prometheus/tally.rules.yml"), "utf8");
    const alerts = [...rules.matchAll(/^\s*- alert: (\w+)/gm)].map(([, name]) => name!);
    expect(told.map(({ name }) => name)).toEqual(alerts);
    for (const { name, cells } of told) expect(cells[1], name).toMatch(/^\S.*\.$/);
  });
});
