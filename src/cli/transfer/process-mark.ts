import { readFileSync } from "node:fs";

/** A process, told from all others: numbers come again, in each container and after each start of the machine. */
export interface ProcessMark {
  readonly pid: number;
  /** Which start of the machine it is of, and when in it it began; not there where the system does not tell. */
  readonly since?: string;
}

/** This process. */
export function ownMark(): ProcessMark {
  return markOf(process.pid);
}

/** Whether another process than this one has a mark, and runs. */
export function isRunning({ pid, since }: ProcessMark): boolean {
  if (pid === process.pid || !isThere(pid)) return false;
  return since === undefined || since === markOf(pid).since;
}

function markOf(pid: number): ProcessMark {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const begun = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[BEGUN]!; // Its name may have anything in it.
    return { pid, since: `${boot} ${begun}` };
  } catch {
    return { pid };
  }
}

/** `starttime` of proc_pid_stat(5), counted from the field behind the name. */
const BEGUN = 22 - 3;

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
