/** In a checkout, after `npm ci` and nothing else, `npx .` is the command. */
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { OLD, OLD_NODE } from "../cli/process/old-node.ts";
import { ROOT, Tally } from "../cli/process/tally.ts";
import { describeWith } from "../support/needs.ts";
import { countsWith } from "./counts.ts";
import { NEW, npm, QUIET, temporary, withFirst } from "./machine.ts";

const checkout = temporary();
const cache = temporary(); // npx keeps a link to the checkout there.
const npx = (node: string) => (args: readonly string[]) =>
  new Tally("npx", [".", ...args], { cwd: checkout, env: { ...withFirst(node), npm_config_cache: cache } });
/** npx passes no signal on; at a terminal Ctrl-C reaches everyone. */
const stop = (_: Tally, pid: number) => process.kill(pid, "SIGTERM");

beforeAll(() => {
  const git = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  for (const file of execFileSync("git", git, { cwd: ROOT, encoding: "utf8" }).split("\0")) {
    if (file !== "") cpSync(join(ROOT, file), join(checkout, file));
  }
});

describe("npx . in a fresh checkout", () => {
  describe("before npm ci", () => {
    it("says that npm ci is missing", () => saysWhatIsMissing(NEW.path));

    describeWith([OLD_NODE], "on an old Node.js", () => {
      it("so it does too", () => saysWhatIsMissing(OLD!.path));
    });
  });

  describe("after npm ci", () => {
    beforeAll(async () => {
      const env = withFirst(OLD?.path ?? NEW.path);
      const { code, stderr } = await npm(["ci", ...QUIET], { cwd: checkout, env });
      expect({ code, stderr }).toMatchObject({ code: 0 });
    });

    it("is tally", () => countsWith(npx(NEW.path), stop));

    describeWith([OLD_NODE], "on an old Node.js", () => {
      it("is tally too", () => countsWith(npx(OLD!.path), stop));
    });
  });
});

async function saysWhatIsMissing(node: string): Promise<void> {
  const { code, stdout, stderr } = await npx(node)(["--version"]).ended;
  expect({ code, stdout }).toEqual({ code: EXIT.UNAVAILABLE, stdout: "" });
  expect(stderr).toMatch(/^tally: .*run "npm ci".*\n$/);
}
