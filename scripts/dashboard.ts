/**
 * npm run generate: writes deploy/grafana/tally.json, a dashboard for Grafana, from the table of series. It is committed, and
 * never edited; what it shows stands in scripts/dashboard/panels.ts.
 */
import { writeFileSync } from "node:fs";
import { type Panel, rowsOfPanels } from "./dashboard/panels.ts";

const [WIDTH, HEIGHT, COLUMNS] = [8, 7, 3];
const DATASOURCE = { type: "prometheus", uid: "$datasource" };

let id = 0;
let y = 0;
const panels: object[] = [];
for (const row of rowsOfPanels()) {
  panels.push({
    ...{ id: ++id, type: "row", title: row.title, collapsed: false, panels: [] },
    gridPos: { x: 0, y: y++, w: WIDTH * COLUMNS, h: 1 },
  });
  for (const [i, panel] of row.panels.entries())
    panels.push(graph(panel, (i % COLUMNS) * WIDTH, y + Math.floor(i / COLUMNS) * HEIGHT));
  y += Math.ceil(row.panels.length / COLUMNS) * HEIGHT;
}

const dashboard = {
  ...{ title: "Tally", uid: "tally", tags: ["tally"], timezone: "browser", schemaVersion: 39, version: 1 },
  description: "Made by scripts/dashboard.ts from the table of series; docs/metrics.md explains each.",
  ...{ editable: true, refresh: "30s", time: { from: "now-6h", to: "now" } },
  templating: {
    list: [
      { name: "datasource", type: "datasource", query: "prometheus", label: "Prometheus" },
      variable("job", "label_values(tally_start_time_seconds, job)"),
      variable("instance", 'label_values(tally_start_time_seconds{job=~"$job"}, instance)'),
    ],
  },
  panels,
};
writeFileSync(
  new URL("../deploy/grafana/tally.json", import.meta.url),
  `${JSON.stringify(dashboard, undefined, 2)}\n`,
);

function graph({ title, description, unit, queries }: Panel, x: number, top: number) {
  return {
    ...{ id: ++id, type: unit === "dateTimeFromNow" ? "stat" : "timeseries", title, description },
    datasource: DATASOURCE,
    gridPos: { x, y: top, w: WIDTH, h: HEIGHT },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    ...(unit === "dateTimeFromNow" && { options: { reduceOptions: { calcs: ["lastNotNull"] } } }),
    targets: queries.map(({ expr, legend }, i) => ({
      ...{ refId: String.fromCharCode(65 + i), expr, legendFormat: legend, datasource: DATASOURCE },
    })),
  };
}

function variable(name: string, query: string) {
  return {
    ...{
      name,
      type: "query",
      datasource: DATASOURCE,
      refresh: 2,
      includeAll: true,
      multi: true,
      allValue: ".+",
    },
    query: { query, refId: name },
    current: { text: "All", value: "$__all" },
  };
}
