/**
 * Goal: Verify tells the same at every door, to who administrates and to nobody else; what nobody waits for is ended, and what
 * ends before its end is not taken for a whole one.
 *
 * Method: a verification that a test ends stands for the store's; clients of gRPC, Connect, gRPC-Web and REST ask for it.
 */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { AdminService, VerifyResponseSchema } from "../../../gen/tally/v1/admin_service_pb.ts";
import { TallyError } from "../../../src/core/errors.ts";
import type { Finding, Verification, Verifying } from "../../../src/service/store-findings.ts";
import { Verifications } from "../../../src/service/verifications.ts";
import { open } from "../../transports/door.ts";
import { HTTP_VERSION } from "../../transports/engine.ts";
import { accessBy, grantsOf } from "../../transports/granted.ts";
import { send } from "../../transports/http.ts";

/** All that came, and why it ended: "OK" or the reason, and in what words. */
interface Told {
  readonly lines: JsonObject[];
  readonly said: string;
  readonly message: string;
}

type Ask = (port: number, signal?: AbortSignal) => Promise<Told>;

function over(transportTo: (baseUrl: string) => Transport): Ask {
  return async (port, signal) => {
    const client = createClient(AdminService, transportTo(`http://127.0.0.1:${port}`));
    const lines: JsonObject[] = [];
    try {
      for await (const each of client.verify({}, signal && { signal }))
        lines.push(toJson(VerifyResponseSchema, each, { alwaysEmitImplicit: true }) as JsonObject);
      return { lines, said: "OK", message: "" };
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      const reason = error.findDetails(ErrorInfoSchema)[0]?.reason;
      return { lines, said: reason ?? Code[error.code], message: error.rawMessage };
    }
  };
}

const overRest: Ask = async (port) => {
  const got = await send(port, {
    method: "POST",
    path: "/v1/admin/store:verify",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const lines = got.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);
  const error = lines.at(-1)!.error as { message: string; details: { reason: string }[] } | undefined;
  const results = lines.flatMap(({ result }) => (result === undefined ? [] : [result as JsonObject]));
  if (error === undefined) return { lines: results, said: "OK", message: "" };
  return { lines: results, said: error.details[0]!.reason, message: error.message };
};

const http = { httpVersion: HTTP_VERSION } as const;
const STREAMS: readonly (readonly [name: string, ask: Ask])[] = [
  ["gRPC", over((baseUrl) => createGrpcTransport({ baseUrl }))],
  ["Connect", over((baseUrl) => createConnectTransport({ baseUrl, ...http, useBinaryFormat: true }))],
  ["Connect, JSON", over((baseUrl) => createConnectTransport({ baseUrl, ...http }))],
  ["gRPC-Web", over((baseUrl) => createGrpcWebTransport({ baseUrl, ...http }))],
];
const DOORS = [...STREAMS, ["REST", overRest] as const];

const finding = (i: number): Finding => ({
  ...{ code: "VALUE_UNACCOUNTED", name: `n${i}`, about: "it differs" },
  mend: i === 0 ? "accept gone" : "restore",
});
const FOUND: Verification = {
  ...{ store: "SQLite /t.db", served: true, counters: 3, sum: 2n ** 70n, commits: 4, requestIds: 5 },
  ...{ historyRows: 6, findings: Array.from({ length: 150 }, (_, i) => finding(i)), more: 7 },
};

function opened(verify: Verifying["verify"] | undefined, grants = "admin@", authenticates = true) {
  const access = accessBy(grantsOf(...grants.split(" ")));
  return open({
    ...{ authenticates, authorise: () => ({ caller: "c", access }) },
    ...(verify !== undefined && { verifications: new Verifications({ verify }) }),
  });
}

describe.each(DOORS)("Verify over %s", (_, ask) => {
  it("begins with how far it is, and tells what was found in messages of 100, and at last what was looked at", async () => {
    await using door = await opened(async () => FOUND);
    const { lines, said } = await ask(door.door.port);
    expect(said).toBe("OK");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toEqual({ progress: { part: "", rows: "0" }, findings: [] });
    expect(lines.map(({ findings }) => (findings as []).length)).toEqual([0, 100, 50, 0]);
    expect((lines[1]!.findings as JsonObject[])[0]).toEqual({
      ...{ code: "VALUE_UNACCOUNTED", name: "n0", about: "it differs", mend: "ACCEPT_GONE" },
    });
    expect(lines[3]).toEqual({
      findings: [],
      verification: {
        ...{ store: "SQLite /t.db", counters: "3", sum: "1180591620717411303424", commits: "4" },
        ...{ requestIds: "5", historyRows: "6", findings: "157" },
      },
    });
    expect(door.logged).toMatchObject([
      { event: "store.verified", fields: { findings: 157, outcome: "OK" } },
    ]);
  });

  it("needs admin, and nothing else does", async () => {
    let asked = 0;
    const verify = async () => {
      asked++;
      return FOUND;
    };
    await using door = await opened(verify, "read,increment,decrement,set,create,manage,observe@");
    expect(await ask(door.door.port)).toMatchObject({ lines: [], said: "PERMISSION_DENIED" });
    expect(asked).toBe(0);
  });

  it.each<[reason: string, verify: Verifying["verify"] | undefined, authenticates: boolean, said: string]>([
    ["AUTH_OFF", async () => FOUND, false, "auth"],
    ["VERIFY_UNSUPPORTED", undefined, true, "pg_amcheck"],
    [
      "VERIFY_FAILED",
      () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "/t.db-wal has grown to 2 GiB meanwhile.")),
      true,
      "Not all of the store was looked at: /t.db-wal has grown to 2 GiB meanwhile. Nothing was changed.",
    ],
  ])("%s says why not", async (reason, verify, authenticates, said) => {
    await using door = await opened(verify, "admin@", authenticates);
    const got = await ask(door.door.port);
    expect(got.said).toBe(reason);
    expect(got.message).toContain(said);
    expect(got.lines.filter(({ verification }) => verification !== undefined)).toEqual([]);
  });

  it("a second one is refused while one runs, which is not disturbed", async () => {
    const running = Promise.withResolvers<Verification>();
    const begun = Promise.withResolvers<void>();
    await using door = await opened(() => {
      begun.resolve();
      return running.promise;
    });
    const first = ask(door.door.port);
    await begun.promise;
    const second = await ask(door.door.port);
    expect([second.said, second.message]).toEqual([
      "VERIFY_FAILED",
      expect.stringContaining("another verification runs; ask again once it has ended"),
    ]);
    running.resolve(FOUND);
    expect((await first).said).toBe("OK");
    expect((await ask(door.door.port)).said).toBe("OK");
  });
});

it.each(STREAMS)("over %s one that nobody waits for any more is ended, and logged so", async (_, ask) => {
  const begun = Promise.withResolvers<void>();
  let ended = false;
  await using door = await opened(({ signal }) => {
    begun.resolve();
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => {
        ended = true;
        reject(new TallyError("CALL_CANCELLED", "it was stopped"));
      }),
    );
  });
  const leaving = new AbortController();
  const asked = ask(door.door.port, leaving.signal);
  await begun.promise;
  leaving.abort();
  await asked;
  await expect.poll(() => ended).toBe(true);
  await expect
    .poll(() => door.logged)
    .toMatchObject([{ event: "store.verified", fields: { outcome: "CALL_CANCELLED" } }]);
});
