import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { ROOT } from "./tally.ts";

/** Has much survive for a while, turn after turn; says how large the space for young objects has become, in MiB. */
const PROGRAM = `
  import { getHeapSpaceStatistics } from "node:v8";
  const { keepHeapsClose } = await import("./src/cli/heap-growth.ts");
  keepHeapsClose();
  const kept = [];
  for (let turn = 0; turn < 400; turn++) {
    for (let n = 0; n < 10_000; n++) kept[n] = { turn, fields: [n, turn, n] };
    await new Promise(setImmediate);
  }
  const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
  console.log(young.space_size / 2 ** 20);
`;

test.each([
  ["no further than to 32 MiB", [], 32],
  ["as far as somebody has said", ["--max-semi-space-size=32"], 64],
])("the space for young objects grows %s", async (_, flags, mib) => {
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const args = [...flags, "--input-type=module", "-e", PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  expect(Number(stdout)).toBeLessThanOrEqual(mib);
  expect(Number(stdout)).toBeGreaterThan(mib / 2);
});
