/** docs/SCALING.md shows the balancer's configuration that is given to operators, which test/proofs/instances runs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

it("docs/SCALING.md has deploy/haproxy/tally.cfg, whole", () => {
  const [, shown] = /\n```haproxy\n(.*?)```\n/s.exec(
    readFileSync(path.join(ROOT, "docs/SCALING.md"), "utf8"),
  )!;
  expect(shown).toBe(readFileSync(path.join(ROOT, "deploy/haproxy/tally.cfg"), "utf8"));
});
