import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pause } from "../crash/server-process.ts";

/** What it found for a query: a number by its labels. */
export interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** End with a sentence where its programs are not there. */
export function needPrometheus(): void {
  for (const program of ["prometheus", "promtool"]) {
    if (spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0) continue;
    console.error(`NOT RUN: ${program} is not there; on Debian: apt-get install prometheus`);
    process.exit(1);
  }
}

/** A Prometheus that scrapes servers on this machine, as the job "tally". */
export class Prometheus {
  readonly #child: ChildProcess;
  readonly #web: number;

  private constructor(child: ChildProcess, web: number) {
    this.#child = child;
    this.#web = web;
  }

  /**
   * @param options.folder   of its own
   * @param options.web      the port on which it is asked
   * @param options.targets  where metrics-listen is, of each server
   * @param options.everyMs  how often it scrapes, and looks at its rules
   * @param options.rules    a file
   */
  static async start(options: {
    readonly folder: string;
    readonly web: number;
    readonly targets: readonly number[];
    readonly everyMs: number;
    readonly rules?: string;
  }): Promise<Prometheus> {
    const { folder, web, targets, everyMs, rules } = options;
    const config = join(folder, "prometheus.yml");
    const every = `${everyMs}ms`;
    const addresses = targets.map((port) => `"127.0.0.1:${port}"`).join(", ");
    writeFileSync(
      config,
      `global: {scrape_interval: ${every}, scrape_timeout: ${every}, evaluation_interval: ${every}}\n` +
        `${rules === undefined ? "" : `rule_files: ["${rules}"]\n`}` +
        `scrape_configs:\n  - job_name: tally\n    static_configs: [{targets: [${addresses}]}]\n`,
    );
    const child = spawn(
      "prometheus",
      [
        ...[`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "tsdb")}`],
        ...[`--web.listen-address=127.0.0.1:${web}`, "--log.level=error"],
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    const ended = once(child, "close").then(() => {
      throw new Error("prometheus ended instead of scraping");
    });
    const ready = async () => {
      for (;;) {
        const answer = await fetch(`http://127.0.0.1:${web}/-/ready`).catch(() => undefined);
        if (answer?.ok) return;
        await pause(100);
      }
    };
    await Promise.race([ready(), ended]);
    ended.catch(() => {}); // It is killed at the end.
    return new Prometheus(child, web);
  }

  /** What it answers to a query, as of now. @throws Error  of what is no query */
  async ask(query: string): Promise<Found[]> {
    const answer = await this.#get<{ result: Found[] }>(`query?query=${encodeURIComponent(query)}`);
    return answer.result;
  }

  /** The alerts that are firing: "NAME INSTANCE". */
  async firing(): Promise<string[]> {
    const { alerts } = await this.#get<{
      alerts: { state: string; labels: Record<string, string> }[];
    }>("alerts");
    return alerts
      .filter(({ state }) => state === "firing")
      .map(({ labels }) => `${labels.alertname} ${labels.instance}`);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #get<Data>(path: string): Promise<Data> {
    const response = await fetch(`http://127.0.0.1:${this.#web}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }
}
