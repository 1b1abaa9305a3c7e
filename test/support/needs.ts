/**
 * What some tests need beside what `npm ci` brings. Where it is missing they are skipped, and the end of the run says
 * which, and what to install (test/skips-reporter.ts). The gate has it all, and counts a skip as a failure.
 */
import { spawnSync } from "node:child_process";
import { describe } from "vitest";

export interface Need {
  readonly name: string;
  /** The command that brings it to a machine. */
  readonly install: string;
  readonly here: boolean;
}

/** A suite of tests that need something. */
export function describeWith(needs: readonly Need[], name: string, tests: () => void): void {
  const missing = needs.filter(({ here }) => !here).map(({ name, install }) => `${name}: ${install}`);
  if (missing.length === 0) describe(name, tests);
  // Not in silence: the name says what to install, the end of each run repeats it, and in the gate it is a failure.
  else describe.skip(`${name} (needs ${missing.join("; ")})`, tests);
}

/**
 * A program on the PATH.
 *
 * @param args  with which it ends at once, and with 0
 */
export function program(
  name: string,
  { args = ["--version"], install = `apt-get install ${name}` }: { args?: string[]; install?: string } = {},
): Need {
  return { name, install, here: spawnSync(name, args, { stdio: "ignore" }).status === 0 };
}

/** Modules of the Python on the PATH. */
export function pythonModules(modules: readonly string[], packages: readonly string[]): Need {
  const here = spawnSync("python3", ["-c", `import ${modules.join(", ")}`], { stdio: "ignore" }).status === 0;
  return {
    name: `python3 with ${packages[0]}`,
    install: `python3 -m pip install ${packages.join(" ")}`,
    here,
  };
}
