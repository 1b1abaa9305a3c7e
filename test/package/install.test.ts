/** The package is installed into an empty folder, as people install it, and counts. */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { OLD, OLD_NODE } from "../cli/process/old-node.ts";
import { Tally } from "../cli/process/tally.ts";
import { describeWith } from "../support/needs.ts";
import { countsWith } from "./counts.ts";
import { NEW, npm, QUIET, temporary, withFirst, withOnly } from "./machine.ts";

describe.each([
  ["npm install -g", ["--global"], "bin/tally", "lib/node_modules"],
  ["npm install", [], "node_modules/.bin/tally", "node_modules"],
])("after %s", (_, flags, command, modules) => {
  const prefix = temporary();
  const tally = join(prefix, command);
  const tallyIn = (env: NodeJS.ProcessEnv) => (args: readonly string[]) => new Tally(tally, args, { env });

  beforeAll(async () => {
    const node = withFirst(OLD?.path ?? NEW.path); // The older has the older npm's troubles.
    const args = ["install", ...flags, "--prefix", prefix, ...QUIET, inject("tarball")];
    const { code, stdout, stderr } = await npm(args, { cwd: prefix, env: node });
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  });

  it("nothing has been compiled, and no Node.js has come along", () => {
    const root = join(realpathSync(tally), "../..");
    const sqlite = [join(root, "node_modules/better-sqlite3"), join(prefix, modules, "better-sqlite3")].find(
      existsSync,
    );
    expect(readdirSync(sqlite!)).not.toContain("build");
    expect(existsSync(join(prefix, "node_modules/.bin/node"))).toBe(false);
    expect(existsSync(join(prefix, "bin/node"))).toBe(false);
  });

  it("tally runs on Node.js 24", () => countsWith(tallyIn(withFirst(NEW.path))));

  describeWith([OLD_NODE], "on an old Node.js", () => {
    it("tally runs on a newer one that is on the PATH too", () => countsWith(tallyIn(withFirst(OLD!.path))));

    it("and there is no other: it says what to do, and that is enough", async () => {
      const env = withOnly(OLD!.path);
      const { code, stdout, stderr } = await tallyIn(env)(["--version"]).ended;
      expect({ code, stdout }).toEqual({ code: EXIT.UNAVAILABLE, stdout: "" });
      const [, advised] = /give Tally one of its own with "npm ([^"]+)"\.\n$/.exec(stderr)!;
      const { code: installed } = await npm([...advised!.split(" "), ...QUIET], {
        cwd: prefix,
        env: withFirst(OLD!.path),
      });
      expect(installed).toBe(0);
      await countsWith(tallyIn(env));
    });
  });
});
