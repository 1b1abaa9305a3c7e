import { type CrashReport, crashRun } from "./crash-run.ts";

/**
 * The classic ways to count wrong, each a module that is put into the server from outside; see faults/replace.ts.
 * A run that does not notice one of them would prove nothing.
 */
const FAULTS = [
  "acknowledge-before-commit",
  "request-ids-not-stored",
  "batch-dropped",
  "half-batch",
  "double-apply",
  "stale-cache",
  "stale-read",
  "update-dropped",
  "delete-dropped",
];

/** Far more than any of them needs. */
const KILLS_MAX = 100;

/**
 * Run the crash test on a faulty server, fault by fault.
 *
 * @returns  the faults that went unnoticed
 */
export async function selfTest(seed: number, print: (line: string) => void): Promise<string[]> {
  const unnoticed: string[] = [];
  for (const fault of FAULTS) {
    const preload = [new URL(`./faults/${fault}.ts`, import.meta.url).href];
    const compiled = fault !== FAULTS[0];
    const report = await crashRun({ kills: KILLS_MAX, seed, preload, killsPerCheck: 1, compiled });
    print(`${fault.padEnd(26)} ${verdict(report)}`);
    if (report.violations.length === 0) unnoticed.push(fault);
  }
  return unnoticed;
}

function verdict({ violations, brokenByKill, seconds }: CrashReport): string {
  if (violations.length === 0) return `NOT NOTICED in ${brokenByKill.length} kills`;
  const kinds = [...new Set(violations.map(({ kind }) => kind))].sort().join(", ");
  return `noticed after ${brokenByKill.length} kills, ${seconds.toFixed(0)} s: ${violations.length} violations (${kinds})`;
}
