/** Commands that run until somebody ends them. */
import { expect } from "vitest";
import { step } from "../steps.ts";
import { RPC } from "../world.ts";
import { spawnTally } from "./counting-lines.ts";

step("I start {string}", async (world, command) => {
  const child = await spawnTally(world, command);
  const printed = { text: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed.text += text;
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => {
    child.on("close", (_, signal) => resolve(signal));
  });
  world.running = {
    async says(text) {
      while (!printed.text.includes(`${text}\n`)) {
        const more = new Promise((resolve) => child.stdout.once("data", resolve));
        const end = ended.then(() => Promise.reject(new Error(`it ended, having said ${printed.text}`)));
        await Promise.race([more, end]);
      }
    },
    async end() {
      child.kill("SIGINT");
      return ended;
    },
  };
});

step("it shows {string}", async (world, text) => {
  await world.running?.says(text);
  expect(world.running).toBeDefined();
});

step("Ctrl-C ends it", async (world) => {
  expect(await world.running?.end()).toBe("SIGINT"); // Which a shell shows as 130.
});

step("there are no counters but {string}", async (world, name) => {
  const { counters } = await world.call(RPC.listCounters, {});
  expect(counters.map((counter) => counter.name)).toEqual([name]);
});
