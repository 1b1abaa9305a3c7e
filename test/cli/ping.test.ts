import { Command } from "commander";
import { expect, it } from "vitest";
import { define } from "../../src/cli/ping.ts";

it.each([
  [[], 10_000],
  [["--wait"], 60_000],
  [["--wait", "--timeout", "3s"], 3_000],
  [["--timeout", "10s", "--wait"], 10_000],
])("%j asks for %d ms", async (args, expected) => {
  const command = new Command();
  define(command);
  let timeout: unknown;
  command.action((options: { timeout: number }) => {
    timeout = options.timeout;
  });
  await command.parseAsync(args, { from: "user" });
  expect(timeout).toBe(expected);
});
