/** curl in plaintext, by each way that it has to HTTP/2; over TLS it is with the other clients. */
import { expect, it } from "vitest";
import { describeWith, program } from "../support/needs.ts";
import { open } from "../transports/door.ts";
import { byEngine } from "../transports/engine.ts";
import { run } from "./clients/client.ts";

const HTTP2 = "--http2-prior-knowledge";

describeWith([program("curl")], "curl in plaintext", () => {
  it.for([
    ["as it comes", [], "1.1"],
    ["asks to go over to HTTP/2, and goes on over HTTP/1.1", ["--http2"], "1.1"],
    ...byEngine({ "grpc-js": [], own: [["knows of HTTP/2", [HTTP2], "2"] as const] }),
  ] as const)("%s: counts, and meets a refusal", async ([, args, version]) => {
    await using opened = await open();
    const at = `http://127.0.0.1:${opened.door.port}`;
    const curl = async (...more: string[]) => {
      const written = ["-w", "\n%{http_code} %{http_version}"];
      const { stdout, stderr } = await run("curl", ["-sS", ...args, ...written, ...more]);
      const [, body, status, spoken] = /^(.*)\n(\d+) (\S+)$/s.exec(stdout)!;
      expect([stderr, spoken]).toEqual(["", version]);
      return { status: Number(status), body: JSON.parse(body!) };
    };
    const counted = await curl(
      "-d",
      '{"amount":"7"}',
      "-H",
      "content-type: application/json",
      `${at}/v1/counters/a:increment`,
    );
    expect(counted).toMatchObject({ status: 200, body: { outcome: { value: "7" } } });
    expect(await curl(`${at}/v1/counters/none`)).toMatchObject({
      status: 404,
      body: { error: { status: "NOT_FOUND" } },
    });
    expect(await curl("-X", "POST", `${at}/counters/a/increment`)).toMatchObject({ body: { value: 8 } });
  });
});
