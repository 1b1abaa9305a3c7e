import { readdirSync, readFileSync } from "node:fs";

/** Reads what a process has used so far. Linux only: it is all from /proc. */
export type Meter = { read(): Reading };

export type Reading = {
  /** Milliseconds of CPU of the main thread: in Tally the network. */
  mainCpuMs: number;
  /** Milliseconds of CPU of all other threads: in Tally the store, and V8's helpers. */
  otherCpuMs: number;
  /**
   * Bytes that the process caused to be sent to the disk (write_bytes): every page of a file that it made
   * dirty, once per flush. wchar would count what it wrote to sockets too.
   */
  diskBytes: number;
};

export type Usage = Reading;

export function meterOf(pid: number): Meter {
  return {
    read() {
      let mainCpuMs = 0;
      let otherCpuMs = 0;
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const cpuMs = cpuMsOf(`/proc/${pid}/task/${thread}`);
        if (Number(thread) === pid) mainCpuMs = cpuMs;
        else otherCpuMs += cpuMs;
      }
      return { mainCpuMs, otherCpuMs, diskBytes: numberAfter("write_bytes:", `/proc/${pid}/io`) };
    },
  };
}

export function usageBetween(before: Reading, after: Reading): Usage {
  return {
    mainCpuMs: after.mainCpuMs - before.mainCpuMs,
    otherCpuMs: after.otherCpuMs - before.otherCpuMs,
    diskBytes: after.diskBytes - before.diskBytes,
  };
}

/** @returns resident memory of a process in MiB. */
export function residentMiB(pid: number): number {
  return numberAfter("VmRSS:", `/proc/${pid}/status`) / 1024;
}

function numberAfter(label: string, path: string): number {
  const text = readFileSync(path, "utf8");
  return Number.parseInt(text.slice(text.indexOf(label) + label.length), 10);
}

const MS_PER_TICK = 10; // USER_HZ is 100 on every Linux that Node has binaries for.

/** By the scheduler to the nanosecond; to ticks on a kernel that does not tell (CONFIG_SCHED_INFO). */
function cpuMsOf(thread: string): number {
  const ranNs = Number.parseInt(readText(`${thread}/schedstat`), 10);
  if (!Number.isNaN(ranNs)) return ranNs / 1e6;
  const text = readText(`${thread}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // The name in parentheses may have spaces.
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * MS_PER_TICK;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // A thread that ended between readdir and now has nothing more to tell.
  }
}
