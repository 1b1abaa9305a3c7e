/**
 * Goal: Backup gives the same bytes at every door that streams, to who administrates and to nobody else, and what nobody takes
 * is not held.
 *
 * Method: a file of random bytes stands for a backup; clients of connect-node take it.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CallOptions, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { TallyError } from "../../../src/core/errors.ts";
import type { TakenBackup } from "../../../src/service/backups.ts";
import { open } from "../../transports/door.ts";
import { HTTP_VERSION } from "../../transports/engine.ts";
import { accessBy, grantsOf } from "../../transports/granted.ts";

const http = { httpVersion: HTTP_VERSION } as const;
const DOORS: readonly [name: string, transport: (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["Connect", (baseUrl) => createConnectTransport({ baseUrl, ...http, useBinaryFormat: true })],
  ["Connect, JSON", (baseUrl) => createConnectTransport({ baseUrl, ...http, useBinaryFormat: false })],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, ...http })],
  ["gRPC-Web, JSON", (baseUrl) => createGrpcWebTransport({ baseUrl, ...http, useBinaryFormat: false })],
];

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tally-taken-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const BYTES = randomBytes(3 * 65_536 + 17);

/** What a server's backups give: a file of these bytes, whose handles are kept to be looked at. */
async function taken(handles: TakenBackup[]): Promise<TakenBackup> {
  writeFileSync(join(dir, "b.tar"), BYTES);
  const made = { bytes: BYTES.length, file: await openFile(join(dir, "b.tar")) };
  handles.push(made);
  return made;
}

type Take = (signal: AbortSignal) => Promise<TakenBackup | undefined>;

async function opened(take: Take | undefined, grants = "admin@", authenticates = true) {
  const access = accessBy(grantsOf(...grants.split(" ")));
  return open({
    ...{ authenticates, authorise: () => ({ caller: "c", access }) },
    ...(take !== undefined && { backups: { take } }),
  });
}

/** The pieces that came, how large it was said to be, and why it ended. */
async function all(door: Awaited<ReturnType<typeof opened>>, transport: (baseUrl: string) => Transport) {
  const client = createClient(AdminService, transport(`http://127.0.0.1:${door.door.port}`));
  const pieces: Uint8Array[] = [];
  const sizes = new Set<bigint>();
  try {
    for await (const { piece, fileBytes } of client.backup({})) {
      sizes.add(fileBytes);
      pieces.push(piece);
    }
    return { pieces, sizes: [...sizes], reason: "OK" };
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const [info] = error.findDetails(ErrorInfoSchema);
    return {
      pieces,
      sizes: [...sizes],
      reason: `${info?.reason}`,
      code: error.code,
      message: error.rawMessage,
    };
  }
}

describe.each(DOORS)("Backup over %s", (_, transport) => {
  it("begins with nothing, and then gives the file, in pieces of 64 KiB", async () => {
    const handles: TakenBackup[] = [];
    await using door = await opened(() => taken(handles));
    const { pieces, sizes, reason } = await all(door, transport);
    expect(reason).toBe("OK");
    expect(pieces.map(({ length }) => length)).toEqual([0, 65_536, 65_536, 65_536, 17]);
    expect(Buffer.concat(pieces).equals(BYTES)).toBe(true);
    expect(sizes).toEqual([0n, BigInt(BYTES.length)]);
    await expect.poll(() => handles[0]!.file.fd).toBe(-1); // Closed.
    expect(door.logged).toMatchObject([
      { event: "backup.taken", fields: { bytes: BYTES.length, outcome: "OK" } },
    ]);
  });

  it("needs admin, and nothing else does", async () => {
    let asked = 0;
    await using door = await opened(async () => {
      asked++;
      return undefined;
    }, "read,increment,decrement,set,create,manage,observe@");
    expect(await all(door, transport)).toMatchObject({ pieces: [], reason: "PERMISSION_DENIED" });
    expect(asked).toBe(0);
  });

  it.each<[reason: string, take: Take | undefined, authenticates: boolean, code: Code, said: string]>([
    ["AUTH_OFF", async () => undefined, false, Code.Unimplemented, "auth"],
    ["BACKUP_UNSUPPORTED", undefined, true, Code.FailedPrecondition, "pg_basebackup"],
    ["BACKUP_FAILED", async () => undefined, true, Code.FailedPrecondition, "another one is being made"],
    [
      "BACKUP_FAILED",
      () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "There is no room in /b.")),
      true,
      Code.FailedPrecondition,
      "No backup was made: There is no room in /b.",
    ],
  ])("%s says why not", async (reason, take, authenticates, code, said) => {
    await using door = await opened(take, "admin@", authenticates);
    const got = await all(door, transport);
    expect(got).toMatchObject({ reason, code });
    expect(got.message).toContain(said);
    expect(Buffer.concat(got.pieces)).toHaveLength(0);
  });

  it("that nobody waits for any more is stopped; one that came to be meanwhile is let go of", async () => {
    const handles: TakenBackup[] = [];
    const stopped = Promise.withResolvers<void>();
    await using door = await opened(async (signal) => {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      stopped.resolve();
      return taken(handles);
    });
    const gone = new AbortController();
    const options: CallOptions = { signal: gone.signal };
    const client = createClient(AdminService, transport(`http://127.0.0.1:${door.door.port}`));
    const stream = client.backup({}, options)[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ fileBytes: 0n });
    gone.abort();
    await stream.next().catch(() => {});
    await stopped.promise;
    await expect.poll(() => handles[0]?.file.fd).toBe(-1);
    await expect
      .poll(() => door.logged)
      .toMatchObject([{ event: "backup.taken", fields: { outcome: "CALL_CANCELLED" } }]);
  });
});
