/** policy, and the counters that follow one: what is printed where, and the exit codes. */
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { serverForTests, tally } from "./cli.ts";

const server = serverForTests();
const at = (...args: string[]) => tally(args, { env: { TALLY_SERVER: server.address } });
const json = async (...args: string[]) => JSON.parse((await at(...args, "-o", "json")).stdout);

describe("policy", () => {
  it("sets what counters get that a change makes, and reads, lists and deletes it", async () => {
    const day = ["--window", "day", "--zone", "Europe/Berlin", "--history", "none"];
    expect(await json("policy", "set", "mails:", "--max", "3", ...day)).toMatchObject({
      prefix: "mails:",
      settings: { max: "3", window: { timeZone: "Europe/Berlin" }, idleTtl: "172800s", history: false },
      enforcement: "ENFORCEMENT_ENFORCE",
    });
    expect(await at("inc", "mails:ada", "3")).toMatchObject({ code: EXIT.OK, stdout: "3\n" });
    expect(await at("inc", "mails:ada")).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect((await at("get", "mails:ada", "-o", "table")).stdout).toMatch(/^policy {2,}mails:$/m);
    expect(await json("policy", "get", "mails:")).toMatchObject({ applied: "1", remaining: "0" });
    expect((await at("policy", "get", "mails:")).stdout).toMatch(/^applied to {2,}1\nstill to do {2,}0\n$/m);
    expect(
      await json("policy", "set", "", "--enforcement", "shadow", "--window", "1h", "--no-idle-ttl"),
    ).toMatchObject({
      settings: expect.not.objectContaining({ idleTtl: expect.anything() }),
      enforcement: "ENFORCEMENT_SHADOW",
    });
    expect((await at("policy", "list")).stdout).toMatch(
      /^PREFIX .*\n"" .*shadow.*\nmails: .* 3 .*enforce\n$/,
    );
    expect((await at("policy", "list", "m", "-o", "name")).stdout).toBe("mails:\n");
    const gone = { code: EXIT.OK, stdout: "", stderr: '"" has no policy any more.\n' };
    expect(await at("policy", "delete", "")).toMatchObject(gone);
    expect(await at("policy", "delete", "")).toMatchObject({ code: EXIT.NOT_FOUND, stdout: "" });
    expect(await at("policy", "list", "nope")).toMatchObject({
      ...{
        code: EXIT.OK,
        stdout: "",
        stderr: expect.stringMatching(/^No policy's prefix begins with nope\. Set one with: /),
      },
    });
  });

  it("is not set when somebody else has set it since", async () => {
    for (const verb of ["set", "delete"])
      expect((await at("policy", verb, "--help")).stdout).toMatch(/--etag <etag> +only if nobody.*\s+policy/);
    const { etag } = await json("policy", "set", "raced:", "--max", "1");
    await at("policy", "set", "raced:", "--max", "2");
    const late = await at("policy", "set", "raced:", "--max", "3", "--etag", etag);
    expect(late).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(await json("policy", "list", "raced:")).toMatchObject([{ settings: { max: "2" } }]);
  });

  it("an update has a counter follow none, and --follow-policy has it follow again", async () => {
    await at("policy", "set", "own:", "--max", "5");
    await at("inc", "own:a");
    expect(await json("update", "own:a", "--max", "9")).not.toHaveProperty("policy");
    expect(await json("update", "own:a", "--follow-policy")).toMatchObject({ max: "5", policy: "own:" });
    await at("inc", "none");
    expect(await at("update", "none", "--follow-policy")).toMatchObject({ code: EXIT.NOT_FOUND });
  });
});
