/** What a caller sends to say who they are is in nothing that a server prints, however much that is asked to print. */
import { expect, it } from "vitest";
import { ENGINES } from "../../transports/engine.ts";
import { exchange, framed } from "../../transports/raw.ts";
import { serve } from "./tally.ts";

const PLANTED = "planted0planted";
/** What grpc-js goes by, which are an operator's to set. */
const LOUD = {
  GRPC_TRACE: "all",
  GRPC_VERBOSITY: "DEBUG",
  GRPC_NODE_TRACE: "all",
  GRPC_NODE_VERBOSITY: "DEBUG",
};

it.each(ENGINES)("also of a key with octets that no key has, over gRPC (%s)", async (engine) => {
  const server = serve(["--log-level", "debug", "--http2-engine", engine], { env: LOUD });
  const { port } = await server.logged("server.ready");
  for (const value of [`Bearer ${PLANTED}`, `Bearer ${PLANTED}\xff`, `Bearer\t${PLANTED}`, ` ${PLANTED} `])
    for (const name of ["authorization", "x-api-key", "x-of-nobody", "idempotency-key", "grpc-timeout"]) {
      const called = exchange(Number(port), "/tally.v1.CounterService/Increment", [framed(EMPTY)], {
        [name]: value,
      });
      await called.catch(() => {}); // Of those that are reset.
    }
  server.child.kill("SIGTERM");
  const { stdout, stderr } = await server.ended;
  expect(stdout).toContain("call.answered");
  expect(stdout + stderr).not.toContain(PLANTED);
  for (const line of stdout.trim().split("\n")) JSON.parse(line);
  expect(stderr).toBe("");
});

const EMPTY = new Uint8Array();
