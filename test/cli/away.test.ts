/** A server that is away, that hangs, or whose answer gets lost; and Ctrl-C. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { TALLY } from "../support/bundles/command.ts";
import { cleanEnv, silentServer, tally } from "./cli.ts";

const NOBODY = "127.0.0.1:1";

describe("nobody listens", () => {
  it.each(["get", "inc"])("%s says how to start a server, within a few seconds", async (verb) => {
    expect(await tally([verb, "visits", "--server", NOBODY])).toEqual({
      code: EXIT.UNAVAILABLE,
      signal: null,
      stdout: "",
      stderr: `tally: No Tally server answers at ${NOBODY}: nothing listens there. Start one with \`tally serve\`, or say where it is with --server HOST:PORT.\n`,
    });
  });

  it("elsewhere: it says where to look", async () => {
    const { code, stderr } = await tally(["get", "visits", "--server", "no-such-host.invalid:9000"]);
    expect(code).toBe(EXIT.UNAVAILABLE);
    expect(stderr).toBe(
      "tally: No Tally server answers at no-such-host.invalid:9000: there is no such host. Check the address (--server, TALLY_SERVER, `tally config list`) and the network.\n",
    );
  });

  it("delete does not ask first", async () => {
    const { code } = await tally(["delete", "visits", "--yes", "--server", NOBODY]);
    expect(code).toBe(EXIT.UNAVAILABLE);
  });
});

describe("no answer in time", () => {
  it("of a read", async () => {
    const { address } = await silentServer();
    expect(await tally(["get", "visits", "--server", address, "--timeout", "500ms"])).toMatchObject({
      code: EXIT.DEADLINE,
      stderr: `tally: No answer from ${address} in time. Try again, or wait longer with --timeout.\n`,
    });
  });

  it("of a change: it may have been made, and how to ask again", async () => {
    const { address } = await silentServer();
    const args = ["inc", "visits", "--server", address, "--timeout", "500ms", "--request-id", "a-1"];
    expect(await tally(args)).toMatchObject({
      code: EXIT.DEADLINE,
      stderr: `tally: No answer from ${address} in time: the change may or may not have been made. Run it again with --request-id a-1: it counts once.\n`,
    });
  });
});

describe("a server that hangs from the start", () => {
  it("is waited for by count for as long as --timeout says, before anything is read", async () => {
    const { address } = await silentServer();
    const args = ["count", "--server", address, "--timeout", "500ms"];
    expect(await tally(args, { input: "a\n" })).toMatchObject({
      code: EXIT.DEADLINE,
      stdout: "",
      stderr: `tally: No answer from ${address} in time. Try again, or wait longer with --timeout.\n`,
    });
  });
});

describe("the answer gets lost", () => {
  it("of a change: it may have been made, and the id under which to ask again is a new one's too", async () => {
    const { address } = await silentServer((socket) => socket.destroy());
    const { code, stderr } = await tally(["inc", "visits", "--server", address]);
    expect(code).toBe(EXIT.UNAVAILABLE);
    expect(stderr).toMatch(
      /the change may or may not have been made\. Run it again with --request-id [0-9a-f-]{36}: /,
    );
  });
});

describe("Ctrl-C", () => {
  it("ends a read quietly, by the signal itself", async () => {
    const ran = await interrupted(["get", "visits"]);
    expect(ran).toEqual({ code: null, signal: "SIGINT", stderr: "" });
  });

  it("during a change says that it may have been made", async () => {
    const ran = await interrupted(["inc", "visits", "--request-id", "a-2"]);
    expect(ran).toEqual({
      code: null,
      signal: "SIGINT",
      stderr:
        "tally: Interrupted before the answer: the change may or may not have been made. Run it again with --request-id a-2: it counts once.\n",
    });
  });

  it("is 130 to a shell", async () => {
    const { address, called } = await silentServer();
    const line = `bash -c 'echo $$; exec "$@"' - "${process.execPath}" "${TALLY}" get visits --server ${address}; echo "code $?"`;
    const child = spawn("bash", ["-c", line], { env: cleanEnv() });
    let stdout = "";
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    await called;
    process.kill(Number(stdout.trim()), "SIGINT");
    await once(child, "close");
    expect(stdout).toMatch(/^\d+\ncode 130\n$/);
  });
});

async function interrupted(args: readonly string[]) {
  const { address, called } = await silentServer();
  const child = spawn(process.execPath, [TALLY, ...args, "--server", address], { env: cleanEnv() });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  await called;
  child.kill("SIGINT");
  const [code, signal] = await once(child, "close");
  return { code, signal, stderr };
}
