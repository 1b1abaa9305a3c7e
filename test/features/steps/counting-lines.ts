/** Lines that the command line counts. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { TALLY } from "../../support/bundles/command.ts";
import { step } from "../steps.ts";
import type { World } from "../world.ts";

step("the lines", (world, table) => {
  world.lines.push(...table.map(([line]) => line!));
});

step("a line of {int} letters", (world, length) => {
  world.lines.push("x".repeat(length));
});

step("I run {string}", async (world, command) => {
  const child = await spawnTally(world, command);
  child.stdin.end(world.lines.map((line) => `${line}\n`).join(""));
  const ended = once(child, "close");
  const stdout = await text(child.stdout);
  const [code] = await ended;
  world.ran = { code, stdout };
});

step("it ends with {int} and says {string}", (world, code, said) => {
  expect(world.ran?.stdout).toContain(said);
  expect(world.ran?.code).toBe(code);
});

/** The command's process, with the scenario's server as its own. */
export async function spawnTally(world: World, command: string): Promise<ChildProcessWithoutNullStreams> {
  const [program, ...args] = command.split(" ");
  expect(program).toBe("tally");
  const env = { ...process.env, TALLY_SERVER: await world.address(), TALLY_CONTEXT: "" };
  return spawn(process.execPath, [TALLY, ...args], { env });
}
