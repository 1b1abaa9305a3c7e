/** What a caller without a good credential is answered over HTTP, and what there is for them. */
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import type { OpenPart } from "../../src/transports/doors.ts";
import { type Opened, open } from "./door.ts";
import { type Sent, send } from "./http.ts";
import { exchange, framed } from "./raw.ts";
import { http, talk } from "./talk.ts";

/** Whoever says "good" is known; whoever says nothing is nobody; of any other it is not known who they are. */
const authorise: Authorise = ({ headerOf }) => {
  const credential = headerOf("authorization");
  if (credential === "Bearer good") return { caller: "somebody" };
  if (credential !== undefined) return { code: "CREDENTIAL_INVALID" };
  const nothing = { everywhere: 0, allows: () => false, charge: () => undefined };
  return {
    caller: "",
    access: { ...nothing, denial: () => ({ code: "CREDENTIAL_MISSING" }) },
  };
};
const WITH = { authorise, authenticates: true };
const GOOD = { authorization: "Bearer good" };
const BAD = { authorization: "Bearer bad" };
const INCREMENT: Sent = { method: "POST", path: "/v1/counters/a:increment", body: {} };
const CONNECT = "/tally.v1.CounterService";

async function isMade({ store }: Opened): Promise<boolean> {
  return (await store.get(["a"]))[0] !== undefined;
}

describe("who is not known", () => {
  it.each<[string, Sent]>([
    ["REST", INCREMENT],
    ["the short paths", { method: "POST", path: "/counters/a/increment", body: {} }],
    ["a GET", { path: "/v1/counters/a" }],
    ["Connect", { method: "POST", path: `${CONNECT}/Increment`, body: { name: "a" } }],
    ["a GET of Connect", { path: `${CONNECT}/GetCounter?connect=v1&encoding=json&message=%7B%7D` }],
  ])("is told how one says who one is, also a page: over %s", async (_, sent) => {
    await using opened = await open({ ...WITH, allowOrigins: ["https://shop.example"] });
    const origin = "https://shop.example";
    const got = await send(opened.door.port, { ...sent, headers: { ...BAD, origin } });
    expect(got.status).toBe(401);
    expect(got.headers).toMatchObject({
      "www-authenticate": "Bearer",
      "access-control-allow-origin": origin,
      "access-control-expose-headers": expect.stringContaining("WWW-Authenticate, "),
      "cache-control": "no-store",
    });
    expect(got.headers["access-control-expose-headers"]).toContain("Retry-After");
    expect(await isMade(opened)).toBe(false);
  });

  it.each(["authorization", "x-api-key"])("is let say so by a page: %s", async (header) => {
    await using opened = await open({ ...WITH, allowOrigins: ["https://shop.example"] });
    const { status, headers } = await send(opened.door.port, {
      method: "OPTIONS",
      path: "/v1/counters/a:increment",
      headers: {
        origin: "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": header,
      },
    });
    expect([status, headers["access-control-allow-headers"]]).toEqual([204, header]);
  });

  it("is told nothing about credentials with another refusal", async () => {
    await using opened = await open(WITH);
    const { status, headers } = await send(opened.door.port, { path: "/v1/counters/a", headers: GOOD });
    expect([status, headers["www-authenticate"]]).toEqual([404, undefined]);
  });
});

describe("an answer", () => {
  const QUERY = "connect=v1&encoding=json&message=%7B%22name%22%3A%22a%22%7D";
  it.each([`${CONNECT}/GetCounter?${QUERY}`, "/v1/counters/a", "/counters/a"])(
    "to who is known is kept by nobody between: %s",
    async (path) => {
      await using opened = await open(WITH);
      await send(opened.door.port, { ...INCREMENT, headers: GOOD });
      const { status, headers } = await send(opened.door.port, { path, headers: GOOD });
      expect([status, headers["cache-control"]]).toEqual([200, "no-store"]);
    },
  );
});

describe("what is open", () => {
  const PATHS: readonly (readonly [OpenPart, string])[] = [
    ["page", "/"],
    ["page", "/index.html"],
    ["docs", "/docs"],
    ["docs", "/openapi.json"],
    ["docs", "/descriptors.binpb"],
  ];
  const html = { accept: "text/html" };

  it.each(PATHS)("%s: %s is for everybody, unless it is said", async (part, path) => {
    await using opened = await open(WITH);
    expect((await send(opened.door.port, { path, headers: html })).status).toBe(200);
    await using other = await open({ ...WITH, open: new Set<OpenPart>([part]) });
    expect((await send(other.door.port, { path, headers: html })).status).toBe(200);
  });

  it.each(PATHS)("%s: %s is otherwise for who is known, and kept by nobody", async (part, path) => {
    const others = new Set<OpenPart>(["page", "docs", "reflection"]);
    others.delete(part);
    await using opened = await open({ ...WITH, open: others });
    const get = async (headers: Record<string, string>) => {
      const got = await send(opened.door.port, { path, headers: { ...html, ...headers } });
      return [got.status, got.error?.reason, got.headers["cache-control"]];
    };
    expect(await get({})).toEqual([401, "CREDENTIAL_MISSING", "no-store"]);
    expect(await get(BAD)).toEqual([401, "CREDENTIAL_INVALID", "no-store"]);
    expect(await get(GOOD)).toEqual([200, undefined, "no-store"]);
  });

  it("health is, whatever is said", async () => {
    await using opened = await open({ ...WITH, open: new Set() });
    for (const path of ["/livez", "/readyz"])
      expect((await send(opened.door.port, { path, headers: BAD })).status).toBe(200);
    const check = await exchange(
      opened.door.port,
      "/grpc.health.v1.Health/Check",
      [framed(Buffer.alloc(0))],
      BAD,
    );
    expect(check.status).toBe("OK");
  });

  it.each(["v1", "v1alpha"])("reflection is, or is for who is known: %s", async (version) => {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const list = framed(Buffer.from([0x3a, 1, 0x2a]));
    const ask = async (opened: Opened, headers: Record<string, string>) =>
      (await exchange(opened.door.port, path, [list], headers)).status;
    await using opened = await open(WITH);
    expect(await ask(opened, {})).toBe("OK");
    await using closed = await open({ ...WITH, open: new Set<OpenPart>(["page"]) });
    expect(await ask(closed, {})).toBe("UNAUTHENTICATED");
    expect(await ask(closed, BAD)).toBe("UNAUTHENTICATED");
    expect(await ask(closed, GOOD)).toBe("OK");
  });

  it("what is not is for everybody where everybody may read every counter", async () => {
    const readsAll: Authorise = () => ({
      caller: "",
      access: { everywhere: 255, allows: () => true, denial: () => undefined, charge: () => undefined },
    });
    await using opened = await open({ authorise: readsAll, authenticates: true, open: new Set() });
    expect((await send(opened.door.port, { path: "/docs" })).status).toBe(200);
  });
});

describe("a body over HTTP/1.1", () => {
  const LAST = http("GET", "/livez", { headers: { connection: "close" } });
  const body = '{"amount":"2"}';
  const POST = (headers: Record<string, string>) =>
    http("POST", "/v1/counters/a:increment", {
      body,
      headers: { "content-type": "application/json", ...headers },
    });

  it("that is here is no reason to end the connection of who is refused", async () => {
    await using opened = await open(WITH);
    const there = await talk(opened.door.port);
    there.send(POST(BAD), LAST);
    expect(await there.answers()).toEqual([401, 200]);
    expect(await isMade(opened)).toBe(false);
  });

  it("that has yet to come ends it, and what comes is not counted", async () => {
    await using opened = await open(WITH);
    const there = await talk(opened.door.port);
    there.send(POST(BAD).slice(0, -body.length));
    const [answer] = (await once(there.socket, "data")) as [Buffer];
    expect(`${answer}`).toMatch(/^HTTP\/1\.1 401 .*\r\nconnection: close\r\n/is);
    there.send(body, POST(GOOD), LAST);
    expect(await there.answers()).toEqual([]);
    expect(await isMade(opened)).toBe(false);
  });

  it("is not asked for of who is refused, and whatever comes then is not read", async () => {
    await using opened = await open(WITH);
    const there = await talk(opened.door.port);
    there.send(POST({ ...BAD, expect: "100-continue" }).slice(0, -body.length));
    expect(await there.answers()).toEqual([401]); // And the connection ends.
  });

  it("is asked for of who is admitted, and the connection goes on", async () => {
    await using opened = await open(WITH);
    const there = await talk(opened.door.port);
    there.send(POST({ ...GOOD, expect: "100-continue" }).slice(0, -body.length));
    const [answer] = (await once(there.socket, "data")) as [Buffer];
    expect(`${answer}`).toMatch(/^HTTP\/1\.1 100 /);
    there.send(body, LAST);
    expect(await there.answers()).toEqual([200, "2", 200]);
  });

  it("is not asked for where nobody reads it, and its connection ends", async () => {
    await using opened = await open(WITH);
    const there = await talk(opened.door.port);
    there.send(http("POST", "/nowhere", { headers: { expect: "100-continue", "content-length": "9" } }));
    expect(await there.answers()).toEqual([404]);
  });
});
