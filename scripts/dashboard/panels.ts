/** What the dashboard shows, from the table of series: each series is on one panel, a test sees to it. */
import type { Family } from "../../src/telemetry/family.ts";
import { SERIES, type SeriesKey } from "../../src/telemetry/series.ts";

/** A panel: what it shows of one series or more. */
export interface Panel {
  readonly title: string;
  /** What its series tell, as the table has it. */
  readonly description: string;
  readonly unit: string;
  readonly queries: readonly Query[];
}

/** What Prometheus is asked, in PromQL with Grafana's variables, and what each line is called. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** Panels that belong together. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A title, and what it shows; a label is one by which lines are told apart, where all would be too many. */
type Sketch = readonly [title: string, ...shown: (SeriesKey | readonly [SeriesKey, label: string])[]];

const SKETCHES: readonly (readonly [row: string, ...panels: Sketch[]])[] = [
  [
    "Is it well",
    ["Answers reads, takes changes", "ready"],
    ["Since when", "startTime"],
    ["Room on the disk", "storeRoomBytes"],
    ["Certificate ends", "certificateEnds"],
  ],
  [
    "Calls",
    ["Calls by method", ["calls", "rpc"]],
    ["Calls by door", ["calls", "door"]],
    ["Calls by code", ["calls", "code"]],
    ["How long calls take", ["callSeconds", "rpc"]],
    ["Calls in flight, streams", "callsInFlight", "openStreams"],
    ["Refusals", "refusals"],
    ["Connections", "openConnections"],
    ["Bytes", "receivedBytes", "sentBytes"],
    ["Reads of many that wait", "readsWaiting"],
  ],
  [
    "Commits",
    ["Operations by what was done", ["operations", "verb"]],
    ["Operations by outcome", ["operations", "outcome"]],
    ["What waits", "queueOperations"],
    ["Memory of what waits", "queueBytes"],
    ["Longest wait", "queueOldestSeconds"],
    ["Commits", "commits", "commitCalls"],
    ["Commits in flight", "commitsInFlight"],
    ["Operations in a commit", "commitOperations"],
    ["How long commits take", "commitSeconds"],
  ],
  [
    "Store",
    ["Files", "storeFileBytes"],
    ["Checkpoints", "checkpointSeconds"],
    ["Remembered counters", "rowCache"],
    ["Asked of threads", "storeRequests"],
    ["Change log", "changeLogBytes", "changeLogRoomBytes"],
    ["Commits in the change log", "changeLogCommits"],
    ["Oldest commit in the change log", "changeLogOldest"],
    ["Request ids", "requestIdBytes", "requestIdRoomBytes"],
    ["Oldest request ids", "requestIdOldestSeconds"],
    ["Request ids forgotten early", "requestIdsForgottenEarly"],
    ["History is behind", "historyLagSeconds"],
    ["Damaged rows met", "damaged"],
    ["Since the newest backup", "backupLastTime"],
    ["How often backups are made, how long the newest took", "backupEverySeconds", "backupLastSeconds"],
    ["Size of the newest backup", "backupLastBytes"],
    ["Backups that failed", "backupFailures"],
    ["How far the archive is behind", "archiveLagSeconds"],
    ["Whether the archive is of no use now", "archiveBroken"],
  ],
  [
    "PostgreSQL",
    ["Connections", "postgresConnections"],
    ["Who waits for a connection", "postgresWaiting"],
    ["How long a connection is waited for", "postgresWaitSeconds"],
    ["Batches decided again", "decidedAgain"],
  ],
  [
    "Callers",
    ["Denied", "denied"],
    ["Without a credential", "callsWithoutCredential"],
    ["Age of what is known of callers", "catalogueAgeSeconds"],
  ],
  [
    "Process",
    ["Processor", "cpuSeconds"],
    ["Memory", "residentBytes"],
    ["Heap by thread", "heapBytes"],
    ["How busy threads are", "eventLoopActiveSeconds"],
    ["How late threads are, in 99 of 100 cases", "eventLoopDelayP99Seconds"],
    ["How late threads are at worst", "eventLoopDelayMaxSeconds"],
    ["Collections of garbage", "gcSeconds"],
    ["Spans that are not sent", "traceSpansDropped"],
    ["Scrapes", "reads"],
  ],
];

/** All rows, in their order. */
export function rowsOfPanels(): Row[] {
  return SKETCHES.map(([title, ...panels]) => ({
    title,
    panels: panels.map(([name, ...shown]) => panelOf(name, shown)),
  }));
}

function panelOf(title: string, shown: readonly (SeriesKey | readonly [SeriesKey, string])[]): Panel {
  const each = shown.map((one) => (typeof one === "string" ? ([one] as const) : one));
  const families = each.map(([key]): Family => SERIES[key]);
  return {
    title,
    description: families.map(({ help }) => help).join(" "),
    unit: unitOf(families[0]!),
    queries: each.flatMap(([key, label]) => queriesOf(SERIES[key], label, shown.length > 1)),
  };
}

/** @param named  whether lines bear their series' name, as where a panel has several */
function queriesOf(family: Family, label: string | undefined, named: boolean): Query[] {
  const { name, kind, labels } = family;
  const by = label === undefined ? Object.keys(labels) : [label];
  const own = by.map((each) => `{{${each}}}`);
  const legend = ["{{instance}}", ...(named ? [name.replace(/^tally_|_total$/g, "")] : []), ...own].join(" ");
  const sumBy = ["instance", ...by];
  switch (kind) {
    case "gauge":
      return [{ expr: isTime(family) ? `1000 * ${name}${OF}` : `${name}${OF}`, legend }];
    case "counter":
      return [{ expr: `sum by (${sumBy.join(", ")}) (rate(${name}${OF}[$__rate_interval]))`, legend }];
    case "histogram":
      return QUANTILES.map((quantile) => ({
        expr: `histogram_quantile(${quantile}, sum by (${[...sumBy, "le"].join(", ")}) (rate(${name}_bucket${OF}[$__rate_interval])))`,
        legend: `${legend} p${quantile * 100}`,
      }));
  }
}

const QUANTILES = [0.5, 0.99];

/** Of which servers. */
const OF = '{job=~"$job", instance=~"$instance"}';

function isTime({ name }: Family): boolean {
  return name.endsWith("_time_seconds");
}

/** As Grafana calls it. */
function unitOf(family: Family): string {
  const { name, kind } = family;
  if (isTime(family)) return "dateTimeFromNow";
  const ofCounter = kind === "counter";
  if (/_cpu_seconds_total$|_active_seconds_total$/.test(name)) return "percentunit";
  if (/_bytes(_total)?$/.test(name)) return ofCounter ? "binBps" : "bytes";
  if (/_seconds(_total)?$/.test(name)) return "s";
  return ofCounter ? "cps" : "short";
}
