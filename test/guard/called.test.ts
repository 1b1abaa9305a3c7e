/** Who a call in the log was from: with a server that is really started, whose callers have keys, and one that has gone. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AdminService } from "../../gen/tally/v1/admin_service_pb.ts";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { type Served, serve } from "./server.ts";

const ROOT = "root-key-of-this-test-0123456789-0123456789";
const { increment } = CounterService.method;
const admin = AdminService.method;

let dir: string;
let flags: Record<string, string>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tally-called-"));
  await writeFile(join(dir, "root"), `${ROOT}\n`);
  flags = { store: "memory:", auth: "required", "root-key-file": join(dir, "root"), "access-log": "1" };
});
afterEach(() => rm(dir, { recursive: true }));

function answeredIn({ logged }: Served) {
  return logged.filter(({ event }) => event === "call.answered").map(({ fields }) => fields!);
}

it("has the name of who called, as a denial has it, and nothing of what they called with", async () => {
  await using served = await serve(flags);
  const made = await served.grpc(
    admin.createPrincipal,
    { name: "shop", grants: ["create,increment@shop."] },
    ROOT,
  );
  expect(made).toMatchObject({ principal: { name: "shop" } });
  const issued = await served.rest({ path: "/v1/admin/principals/shop/keys", body: {}, key: ROOT });
  const { key, apiKey } = issued.json as { key: string; apiKey: { id: string } };
  await served.grpc(increment, { name: "shop.secret" }, `${ROOT}x`);
  await served.rest({ path: "/v1/counters/shop.secret:increment", body: {}, key });
  await served.grpc(increment, { name: "other.secret" }, key);
  const called = answeredIn(served);
  const address = "127.0.0.1";
  const shop = { by: "shop", key_id: apiKey.id, address };
  expect(called).toMatchObject([
    { rpc: "CreatePrincipal", door: "grpc", code: "OK", outcome: "OK", by: "root", address },
    { rpc: "CreateApiKey", door: "rest", code: "OK", outcome: "OK", by: "root", address },
    { rpc: "Increment", door: "grpc", code: "UNAUTHENTICATED", outcome: "CREDENTIAL_INVALID" },
    { rpc: "Increment", door: "rest", code: "OK", outcome: "OK", ...shop },
    { rpc: "Increment", door: "grpc", code: "PERMISSION_DENIED", outcome: "PERMISSION_DENIED", ...shop },
  ]);
  expect(called[2]).not.toHaveProperty("by");
  const denied = served.logged.filter(({ event }) => event === "call.denied");
  expect(denied.map(({ fields }) => fields)).toMatchObject([{ by: "" }, shop]);
  expect(JSON.stringify(served.logged)).not.toMatch(/secret|root-key-of/);
  expect(JSON.stringify(served.logged)).not.toContain(key.slice(19));
});

it("has the address of a caller who has gone, too", async () => {
  await using served = await serve(flags);
  const socket = connect(served.server.address.port, "127.0.0.1");
  socket.write(
    `POST /v1/counters/a:increment HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ROOT}\r\n` +
      "Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
  );
  await once(socket, "data"); // It was let in, and is asked for its body.
  expect(answeredIn(served)).toEqual([]);
  socket.resetAndDestroy();
  await vi.waitFor(() => expect(answeredIn(served)).toHaveLength(1));
  expect(answeredIn(served)).toMatchObject([
    { rpc: "Increment", door: "rest", outcome: "CALL_CANCELLED", by: "root", address: "127.0.0.1" },
  ]);
});
