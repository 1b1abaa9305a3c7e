/** So does the page about traces: a call in the trace of who made it, as a collector sees it. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { TRACING_PACKAGES } from "../../src/server/opening.ts";
import { runsAsShown } from "./shown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const textOf = (file: string) => readFileSync(path.join(ROOT, file), "utf8");

await runsAsShown("docs/tracing.md", { ports: [4318] });

it("says to install what a start asks for", () => {
  expect(textOf("docs/tracing.md").replaceAll("\n", " ")).toContain(
    `\`npm install ${TRACING_PACKAGES.join(" ")}\``,
  );
});

it("the unit's installation brings what a start asks for", () => {
  expect(textOf("deploy/systemd/install.sh")).toContain(`\nTRACING="${TRACING_PACKAGES.join(" ")}"\n`);
});

it("each pipeline of the collector's configuration is made of what is configured, and all of that is in one", () => {
  const { service, ...configured } = parse(textOf("deploy/otel/collector.yaml"));
  const pipelines = Object.values(service.pipelines) as Record<string, string[]>[];
  expect(Object.keys(service.pipelines)).toEqual(["traces", "metrics"]);
  for (const kind of ["receivers", "processors", "exporters"]) {
    const used = new Set(pipelines.flatMap((pipeline) => pipeline[kind]!));
    expect([...used].sort(), kind).toEqual(Object.keys(configured[kind]).sort());
  }
});

it("collectors take spans and scrape where the page has the server send and listen", () => {
  const collector = parse(textOf("deploy/otel/collector.yaml"));
  const agent = parse(textOf("deploy/datadog/datadog.yaml"));
  const check = parse(textOf("deploy/datadog/openmetrics.yaml"));
  const page = textOf("docs/tracing.md");
  for (const { protocols } of [collector.receivers.otlp, agent.otlp_config.receiver])
    expect(page).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=http://${protocols.http.endpoint}`);
  const [{ static_configs: scraped }] = collector.receivers.prometheus.config.scrape_configs;
  expect(page).toContain(`metrics-listen = "${scraped[0].targets[0]}"`);
  expect(check.instances).toMatchObject([
    { openmetrics_endpoint: `http://${scraped[0].targets[0]}/metrics`, raw_metric_prefix: "tally_" },
  ]);
});
