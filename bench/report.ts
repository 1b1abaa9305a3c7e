import { type Figure, rateOf } from "./figure.ts";
import type { Leg } from "./legs/leg.ts";
import { type Figures, type MeasuredRatio, measuredRatios } from "./ratios.ts";
import { median } from "./stats.ts";

export type Run = {
  legs: Leg[];
  figures: Figures;
  /** Lines of Markdown; see machine.ts. */
  machine: string[];
  seconds: number;
  stolenCpu: number;
  /** Of the CPUs, before each leg: if others used the machine, it shows here. */
  idleShares: number[];
  acknowledged: { one: bigint; tenThousand: bigint };
  /** Size of Tally's files at the end, in bytes. */
  files: { database: number; wal: number } | undefined;
};

/** @returns the results as Markdown. */
export function report(run: Run): string {
  const ratios = measuredRatios(run.figures);
  return [
    "# Benchmark results",
    "",
    "Written by `npm run bench`; bench/README.md says what each leg shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...run.machine,
    "- Durability: Tally answers after the fsync of the commit (SQLite WAL, synchronous=FULL); " +
      'Redis runs with appendonly yes, appendfsync always, save ""',
    `- Run: rounds of all legs in turn, ${run.seconds} s a leg (b2: three times that); medians over the rounds`,
    othersLine(run.idleShares, run.stolenCpu),
    "",
    "## Aims",
    "",
    "Each ratio is the median of the rounds' own ratios, lowest and highest in brackets.",
    "",
    ...table(
      ["ratio", "measured", "aim", ""],
      ratios
        .filter((ratio) => ratio.aim !== undefined)
        .map((ratio) => [...ratioCells(ratio), ...aimCells(ratio)]),
    ),
    "",
    "For comparison, without an aim:",
    "",
    ...table(["ratio", "measured"], ratios.filter((ratio) => ratio.aim === undefined).map(ratioCells)),
    "",
    "## Figures",
    "",
    "Latencies are those of a call (of a whole batch, of a whole pipeline). Disk bytes are the server's",
    "write_bytes: log and checkpoints, in whole pages. CPU is the server's, by its main thread (network) and all",
    "others (store, garbage collection), then the generator's.",
    "",
    ...table(
      ["leg", "what", "op/s", "p50 ms", "p99 ms", "disk B/op", "CPU µs/op: main", "others", "generator"],
      run.legs.map((leg) => legCells(leg, run.figures.get(leg.id) ?? [])),
    ),
    "",
    ...verified(run),
    "",
  ].join("\n");
}

/** @param idleShares of the CPUs, sampled while the bench itself was idle. */
export function othersLine(idleShares: number[], stolenCpu: number): string {
  return (
    `- Others: CPU idle between loads ${percent(median(idleShares))}, at the lowest ` +
    `${percent(Math.min(...idleShares))} (below 95 %, somebody else used the machine); ` +
    `stolen by the hypervisor ${percent(stolenCpu)}`
  );
}

function ratioCells({ of, over, median, lowest, highest }: MeasuredRatio): string[] {
  return [`${of} : ${over}`, `${median.toFixed(2)} (${lowest.toFixed(2)} to ${highest.toFixed(2)})`];
}

function aimCells({ aim, median }: MeasuredRatio): string[] {
  return [`>= ${aim}`, median >= aim! ? "met" : "**missed**"];
}

function legCells({ id, what }: Leg, figures: Figure[]): string[] {
  const of = (value: (figure: Figure) => number) => median(figures.map(value));
  return [
    id,
    what,
    Math.round(of(rateOf)).toLocaleString("en"),
    of((figure) => figure.p50Ms).toFixed(2),
    of((figure) => figure.p99Ms).toFixed(2),
    Math.round(of((figure) => figure.diskBytesPerOp)).toLocaleString("en"),
    of((figure) => figure.mainCpuUsPerOp).toFixed(1),
    of((figure) => figure.otherCpuUsPerOp).toFixed(1),
    figures.some((figure) => figure.generatorCpuUsPerOp === undefined)
      ? ""
      : of((figure) => figure.generatorCpuUsPerOp!).toFixed(1),
  ];
}

function verified({ legs, figures, acknowledged, files }: Run): string[] {
  const lines: string[] = [];
  if (acknowledged.one > 0n) {
    lines.push(`- b1's counter showed ${acknowledged.one.toLocaleString("en")}, all that h2load finished.`);
  }
  if (acknowledged.tenThousand > 0n) {
    const total = acknowledged.tenThousand.toLocaleString("en");
    lines.push(`- The 10,000 counters of b2 and c added up to ${total}, all that was acknowledged.`);
  }
  for (const { id } of legs.filter((leg) => leg.requestIdsMin)) {
    const runs = figures.get(id) ?? [];
    const calls = runs.reduce((sum, figure) => sum + figure.calls, 0);
    const seconds = runs.reduce((sum, figure) => sum + figure.seconds, 0);
    lines.push(`- ${id}: ${calls.toLocaleString("en")} request ids in ${seconds} s.`);
  }
  if (files) lines.push(`- At the end the database had ${mib(files.database)}, its WAL ${mib(files.wal)}.`);
  return ["## Verified", "", "Compared after every round:", "", ...lines];
}

export function table(header: string[], rows: string[][]): string[] {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
