/** Output that nobody reads, or that cannot be written. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { TALLY } from "../support/bundles/command.ts";
import { cleanEnv, serverForTests, shell } from "./cli.ts";

const server = serverForTests();

it.each([["inc", "visits"], ["help", "inc"], ["--version"], ["completion", "bash"]])(
  "a pipe that is closed early ends `tally %s` quietly, with the code of SIGPIPE",
  async (...args) => {
    const env = { ...cleanEnv(), TALLY_SERVER: server.address };
    const child = spawn(process.execPath, [TALLY, ...args], { env });
    child.stdout.destroy(); // Long before it has anything to say.
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    expect([...(await once(child, "close")), stderr]).toEqual([EXIT.PIPE_CLOSED, null, ""]);
  },
);

it("a disk that is full is told", async () => {
  const env = { TALLY_SERVER: server.address };
  expect(await shell("tally inc visits > /dev/full", { env })).toMatchObject({
    code: EXIT.STORE_FAILED,
    stderr: "tally: The output cannot be written: ENOSPC: no space left on device, write.\n",
  });
});
