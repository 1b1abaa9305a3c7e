/**
 * Goal: whoever is not known, and whoever may not, is refused at every door, whatever the RPC, and nothing is applied;
 * and who calls is known before a body is read.
 *
 * Method: an authorise step that knows callers by a header and gives each the names that begin with theirs; every RPC at
 * every door, by nobody, by who may not, and by who may.
 */
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import type { Refusal } from "../../../src/core/errors.ts";
import { Permission, type Permissions, permissionsToText } from "../../../src/core/permissions.ts";
import { DEFAULTS } from "../../../src/core/settings.ts";
import { toBatch } from "../../../src/service/call.ts";
import { Policies } from "../../../src/service/policies.ts";
import type { Access, Authorise, CallHead, Target } from "../../../src/transports/calls/authorise.ts";
import { create, single } from "../../support/calls.ts";
import { type Opened, open, refusal } from "../../transports/door.ts";
import { METHODS, REQUESTS } from "./counter-requests.ts";
import { everyDoorOf } from "./with-headers.ts";

const UNKNOWN: Refusal = { code: "CREDENTIAL_MISSING" };
const DENIED: Refusal = { code: "PERMISSION_DENIED", expected: "it has other names" };

/** "shop" may do all to what begins with "shop."; "reader" likewise, but not change it. */
const byHeader: Authorise = ({ headerOf }) => {
  const caller = headerOf("x-caller");
  if (caller === "broken") throw new TypeError("a defect, for a test");
  if (caller === undefined) return UNKNOWN;
  const own = (target: Target) => ("name" in target ? target.name : target.prefix).startsWith("shop.");
  const allows = (needed: Permissions, target: Target) =>
    own(target) && (caller === "shop" || needed === Permission.READ);
  return { caller, access: accessOf(allows) };
};
/** As a check of signatures would be: it takes a while. */
const later: Authorise = async (head) => {
  await new Promise((resolve) => setImmediate(resolve));
  return byHeader(head);
};

const CHANGES = METHODS.filter((name) => !/^(Get|BatchGet|List|Top|Sum|Query)/.test(name));

describe.each([
  ["at once", byHeader],
  ["after a while", later],
])("who calls is judged %s", (_, authorise) => {
  it.each(METHODS)("%s is refused at every door to who is unknown, and to who may not", async (method) => {
    await using opened = await open({ authorise });
    const before = await fill(opened);
    let doors = 0;
    for (const door of everyDoorOf(method)) {
      const call = async (name: string, caller?: string) => {
        const headers = caller === undefined ? {} : { "x-caller": caller };
        return (await door.call(opened, method, REQUESTS[method]!(name), headers)).said;
      };
      expect(await call("shop.there"), door.name).toBe("CREDENTIAL_MISSING");
      expect(await call("else.there", "shop"), door.name).toBe("PERMISSION_DENIED");
      expect(await call("else.missing", "shop"), door.name).toBe("PERMISSION_DENIED"); // It does not tell which.
      if (CHANGES.includes(method))
        expect(await call("shop.there", "reader"), door.name).toBe("PERMISSION_DENIED");
      doors++;
    }
    expect(doors).toBeGreaterThanOrEqual(6);
    expect(await valuesIn(opened)).toEqual(before);
  });

  it.each(METHODS)("%s is answered at every door to who may", async (method) => {
    for (const door of everyDoorOf(method)) {
      await using opened = await open({ authorise });
      await fill(opened);
      const name = method === "CreateCounter" ? "shop.new" : "shop.there";
      const { said } = await door.call(opened, method, REQUESTS[method]!(name), { "x-caller": "shop" });
      expect(said, door.name).toBe("OK");
    }
  });
});

it("a defect in judging who calls refuses the call, and nothing is applied", async () => {
  for (const door of everyDoorOf("Increment")) {
    await using opened = await open({ authorise: byHeader });
    const { said } = await door.call(opened, "Increment", { name: "shop.there" }, { "x-caller": "broken" });
    expect(said, door.name).toBe("INTERNAL_ERROR");
    expect(await valuesIn(opened), door.name).toEqual({});
    expect(opened.logged, door.name).toHaveLength(1);
  }
});

it("how often a credential was sent is counted at every door, and who sends it is known by their address", async () => {
  const heads: CallHead[] = [];
  const authorise: Authorise = (head) => {
    heads.push(head);
    return { caller: "" };
  };
  await using opened = await open({ authorise });
  const TWICE = ["a", "b"];
  for (const door of everyDoorOf("GetCounter")) {
    const names = door.name === "gRPC" ? ["x-api-key", "x-other"] : ["x-api-key", "authorization"]; // Its client sends no two.
    for (const name of names) {
      await door.call(opened, "GetCounter", { name: "shop.there" }, { [name]: TWICE, "x-once": "c" });
      const head = heads.pop()!;
      const { headerOf, overGrpc, method } = head;
      expect(
        [name, "x-once", "x-none"].map((each) => head.countOf(each)),
        `${door.name} ${name}`,
      ).toEqual([2, 1, 0]);
      expect([headerOf("x-once"), method.name, overGrpc]).toEqual(["c", "GetCounter", door.name === "gRPC"]);
      expect(head.peer()).toEqual({ address: "127.0.0.1", certificate: undefined });
    }
  }
  expect(heads).toEqual([]);
});

it("each operation of a batch is asked for as the method that does it alone; the first denied is told", async () => {
  const asked: string[] = [];
  const access = accessOf((needed, target) => {
    const name = "name" in target ? target.name : "";
    asked.push(`${permissionsToText(needed)} ${name}`);
    return name !== "d";
  });
  await using opened = await open({ authorise: () => ({ caller: "", access }) });
  const operations = [
    { name: "a", action: { case: "increment", value: 1n } },
    { name: "b", action: { case: "decrement", value: 1n } },
    { name: "c", action: { case: "set", value: 1n } },
    { name: "d", action: { case: "reset", value: true } },
    { name: "e", action: { case: "increment", value: 1n } },
  ] as const;
  expect(await refusal(opened.client.batchApply({ operations: [...operations] }))).toMatchObject({
    reason: "PERMISSION_DENIED",
    metadata: { name: "d", index: "3" },
  });
  const once = ["increment,create a", "decrement b", "set,create c", "set d"];
  expect(asked).toEqual([...once, "set d"]); // And once more for who is told why.
  expect(await valuesIn(opened)).toEqual({});
});

it("who may not any more when the request is there is refused at every door, and nothing is applied", async () => {
  const refusals: (Refusal | undefined | Promise<Refusal>)[] = [
    { code: "CREDENTIAL_REVOKED" },
    Promise.resolve({ code: "CREDENTIAL_REVOKED" }),
    undefined,
  ];
  for (const refusal of refusals) {
    await using opened = await open({ authorise: () => ({ caller: "", lapsed: () => refusal }) });
    for (const method of ["Increment", "BatchApply"])
      for (const door of everyDoorOf(method)) {
        const { said } = await door.call(opened, method, REQUESTS[method]!("shop.there"), {});
        expect(said, door.name).toBe(refusal === undefined ? "OK" : "CREDENTIAL_REVOKED");
      }
    expect(Object.keys(await valuesIn(opened))).toHaveLength(refusal === undefined ? 2 : 0);
  }
});

it("a request id belongs to the caller who used it", async () => {
  await using opened = await open({ authorise: ({ headerOf }) => ({ caller: headerOf("x-caller")! }) });
  for (const door of everyDoorOf("Increment")) {
    const name = door.name.replaceAll(" ", "-");
    const add = async (caller: string) => {
      const request = { name, requestId: "one-id" };
      return (await door.call(opened, "Increment", request, { "x-caller": caller })).said;
    };
    for (const caller of ["ann", "bob", "ann"]) expect(await add(caller), door.name).toBe("OK");
    expect((await valuesIn(opened))[name], door.name).toBe(2n);
  }
});

describe("before a body", () => {
  it("over HTTP/1.1 an unknown caller is answered who has sent the headers alone", async () => {
    await using opened = await open({ authorise: byHeader });
    for (const [path, type] of [
      ["/v1/counters/shop.there:increment", "application/json"],
      ["/counters/shop.there/increment", "application/json"],
      ["/tally.v1.CounterService/Increment", "application/json"],
      ["/tally.v1.CounterService/Increment", "application/grpc-web+proto"],
    ]) {
      const socket = connect(opened.door.port, "127.0.0.1");
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 100\r\n\r\n`,
      );
      const [answer] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      expect(`${answer}`, type).toMatch(/No credential|grpc-status: 16/i);
    }
  });

  it("over gRPC likewise", async () => {
    await using opened = await open({ authorise: byHeader });
    const session = connectHttp2(`http://127.0.0.1:${opened.door.grpcPort}`);
    const stream = session.request(
      {
        ":method": "POST",
        ":path": "/tally.v1.CounterService/Increment",
        "content-type": "application/grpc",
      },
      { endStream: false },
    );
    const [headers] = await once(stream, "response");
    session.destroy();
    expect(headers["grpc-status"]).toBe("16");
  });
});

function accessOf(allows: Access["allows"]): Access {
  const denial: Access["denial"] = (needed, target) => (allows(needed, target) ? undefined : DENIED);
  return { everywhere: 0, allows, denial, charge: () => undefined };
}

async function fill(opened: Opened): Promise<Record<string, bigint>> {
  for (const name of ["shop.there", "else.there"]) {
    await opened.store.commit(toBatch([single(create(name, { value: 3n, max: 99n }))]));
  }
  await new Policies(opened.store.catalogue!).set("shop.there", DEFAULTS, "enforce");
  return valuesIn(opened);
}

async function valuesIn({ store }: Opened): Promise<Record<string, bigint>> {
  const { counters } = await store.list({ prefix: "", labels: {} }, "", 100);
  return Object.fromEntries(counters.map(({ name, value }) => [name, value]));
}
