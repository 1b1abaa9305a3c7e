/** docs/metrics.md has what is measured, word for word. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { rowsOfPanels } from "../../scripts/dashboard/panels.ts";
import { SERIES } from "../../src/telemetry/series.ts";

const PAGE = readFileSync(path.resolve(import.meta.dirname, "../../docs/metrics.md"), "utf8");

it("docs/metrics.md has every series, with its kind, its labels and what it tells", () => {
  const rows = Object.values(SERIES).map(({ name, kind, labels, help }) => {
    const named = Object.keys(labels).map((label) => `\`${label}\``);
    return `| \`${name}\` | ${kind} | ${named.join(", ")} | ${help} |`;
  });
  const [, table] = PAGE.split("| name | kind | labels | what it tells |\n|---|---|---|---|\n");
  expect(table!.split("\n\n")[0]!.split("\n")).toEqual(rows);
});

it("docs/metrics.md explains every label, and asks for nothing that is not measured", () => {
  const labels = Object.values(SERIES).flatMap((each) => Object.keys(each.labels));
  for (const label of labels) expect(PAGE).toContain(`\n| \`${label}\` | `);
  const names = [...Object.values(SERIES).map(({ name }) => name as string), "tally_counter_value"];
  for (const [, name] of PAGE.matchAll(/\b(tally_[a-z0-9_]+?)(?:_bucket|_sum|_count)?\b(?![a-z_])/g))
    expect(names).toContain(name);
});

const RULES = readFileSync(
  path.resolve(import.meta.dirname, "../../deploy/prometheus/tally.rules.yml"),
  "utf8",
);

it("deploy/prometheus asks for nothing that is not measured, but for whether it was scraped", () => {
  const names = Object.values(SERIES).map(({ name }) => name as string);
  const recorded = [...RULES.matchAll(/record: (\S+)/g)].map(([, name]) => name);
  expect(recorded).not.toEqual([]);
  const expressions = RULES.replaceAll(/summary: .*/g, "").replaceAll(/^ *#.*|- name: .*/gm, "");
  for (const [, name] of expressions.matchAll(/\b(tally[_:][a-z0-9_:]+?)(?:_bucket)?\b(?![a-z_:])/g))
    expect([...names, ...recorded]).toContain(name);
});

it("each alert of deploy/prometheus has a test", () => {
  const alerts = [...RULES.matchAll(/alert: (\S+)/g)].map(([, name]) => name);
  expect(alerts).not.toEqual([]);
  const tests = readFileSync(
    path.resolve(import.meta.dirname, "../../deploy/prometheus/tally.rules.test.yml"),
    "utf8",
  );
  for (const alert of alerts) expect(tests).toContain(`alertname: ${alert}`);
});

it("the dashboard shows every series", () => {
  const shown = JSON.stringify(rowsOfPanels());
  for (const { name } of Object.values(SERIES)) expect(shown).toMatch(new RegExp(`\\b${name}(_bucket)?\\{`));
});
