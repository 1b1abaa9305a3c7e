import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A bash that stays: what one block sets, starts or changes into is there for the next. */
export class Shell {
  readonly #bash: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #scripts = mkdtempSync(path.join(tmpdir(), "tally-shell-"));
  #printed = "";
  #late = "";
  #blocks = 0;

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(TALLY_|XDG_|NODE_OPTIONS$)/.test(name),
    );
    this.#bash = spawn("bash", ["--norc"], {
      cwd,
      env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
      stdio: ["pipe", "pipe", "inherit"],
      detached: true, // A process group, so that close() ends what it has left in the background.
    });
    this.#ended = once(this.#bash, "exit");
    this.#bash.stdout!.setEncoding("utf8").on("data", (chunk) => {
      this.#printed += chunk;
    });
    this.#bash.stdin!.write("exec 2>&1; set -E; trap 'echo \"@@failed $? $BASH_COMMAND\"' ERR\n");
  }

  /**
   * Run some lines.
   *
   * @returns output: what they printed, on stdout and on stderr; failed: exit code and text of each command that
   *          failed and was not expected to (`|| ...`)
   */
  async run(code: string): Promise<{ output: string; failed: string[] }> {
    const script = path.join(this.#scripts, `${++this.#blocks}.sh`);
    const end = `@@end ${this.#blocks}\n`;
    writeFileSync(script, code);
    this.#printed = "";
    this.#bash.stdin!.write(`. ${script} < /dev/null; echo "${end.trimEnd()}"\n`);
    const late = setTimeout(() => this.#giveUp(), PATIENCE_MS);
    try {
      while (!this.#printed.endsWith(end)) {
        if (this.#hasEnded) throw new Error(`bash ended; it had printed: ${this.#printed}${this.#late}`);
        await Promise.race([once(this.#bash.stdout!, "data"), this.#ended]);
      }
    } finally {
      clearTimeout(late);
    }
    const lines = this.#printed.slice(0, -end.length).split(/(?<=\n)/);
    const failures = lines.filter((line) => line.startsWith("@@failed "));
    const output = lines.filter((line) => !failures.includes(line) && !ABOUT_JOBS.test(line)).join("");
    return { output, failed: failures.map((line) => line.trim()) };
  }

  async close(): Promise<void> {
    this.#kill();
    await this.#ended;
    rmSync(this.#scripts, { recursive: true });
  }

  get #hasEnded(): boolean {
    return this.#bash.exitCode !== null || this.#bash.signalCode !== null;
  }

  /** What runs there then is told with the failure: it is what did not end. */
  #giveUp(): void {
    const columns = "pid,ppid,stat,etime,time,wchan:20,args";
    const { stdout } = spawnSync("ps", ["-o", columns, "-g", `${this.#bash.pid}`], { encoding: "utf8" });
    this.#late = `\n${PATIENCE_MS} ms are over; what ran:\n${stdout}`;
    this.#kill();
  }

  #kill(): void {
    if (!this.#hasEnded) process.kill(-this.#bash.pid!, "SIGKILL");
  }
}

/** Less than a test has. */
const PATIENCE_MS = 200_000;

/** What bash says when something in its background was killed; an interactive one says it otherwise. */
const ABOUT_JOBS = /: line \d+: +\d+ Killed /;
