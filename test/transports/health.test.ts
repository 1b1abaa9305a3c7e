import { once } from "node:events";
import { fromBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { service } from "grpc-health-check";
import { describe, expect, it } from "vitest";
import { HealthListResponseSchema } from "../../gen/grpc/health/v1/health_pb.ts";
import { WHOLE_API } from "../../src/transports/calls/services.ts";
import { type Client, open, refusal } from "./door.ts";

/** Method: asked by the definitions of grpc-health-check, an implementation that is not ours. */

type Status = { status: string };

function check(client: Client, name: string): Promise<Status> {
  const { promise, resolve, reject } = Promise.withResolvers<Status>();
  const { path, requestSerialize, responseDeserialize } = service.Check;
  client.grpc.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { service: name },
    (error, value) => (error ? reject(error) : resolve(value as Status)),
  );
  return promise;
}

function watch(client: Client, name: string) {
  const { path, requestSerialize, responseDeserialize } = service.Watch;
  return client.grpc.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: name });
}

async function next(stream: grpc.ClientReadableStream<unknown>): Promise<string> {
  const [value] = (await once(stream, "data")) as [Status];
  return value.status;
}

const SERVICES = ["", ...WHOLE_API.map(({ typeName }) => typeName), "grpc.health.v1.Health"];

describe("health", () => {
  it.each(SERVICES)('says of "%s" whether it serves', async (name) => {
    await using opened = await open();
    expect(await check(opened.client, name)).toEqual({ status: "SERVING" });
    opened.door.setServing(false);
    expect(await check(opened.client, name)).toEqual({ status: "NOT_SERVING" });
  });

  it("follows the store: /readyz and every call with reads, /readyz?writes with changes too", async () => {
    await using opened = await open();
    const { door, client } = opened;
    const readyz = async (query = "", init: RequestInit = {}) => {
      const response = await fetch(`http://127.0.0.1:${door.port}/readyz${query}`, init);
      return [response.status, await response.text()];
    };
    const stream = watch(client, "tally.v1.CounterService");
    stream.on("error", () => {});
    expect(await next(stream)).toBe("SERVING");
    door.setReadiness({ reads: undefined, writes: "the disk is full" });
    expect(await readyz()).toEqual([200, "ok\n"]);
    expect(await readyz("?writes")).toEqual([503, "the disk is full\n"]);
    expect(await readyz("?writes", { method: "HEAD" })).toEqual([503, ""]);
    expect(await readyz("?write")).toEqual([400, "expected /readyz or /readyz?writes\n"]);
    expect(await check(client, "")).toEqual({ status: "SERVING" });

    const gone = next(stream);
    door.setReadiness({
      reads: "the store does not answer in time",
      writes: "the store does not answer in time",
    });
    expect(await gone).toBe("NOT_SERVING");
    for (const query of ["", "?writes"]) {
      expect(await readyz(query)).toEqual([503, "the store does not answer in time\n"]);
    }
    expect(await check(client, "tally.v1.CounterService")).toEqual({ status: "NOT_SERVING" });
    const { statuses } = fromBinary(
      HealthListResponseSchema,
      await client.raw("/grpc.health.v1.Health/List", new Uint8Array()),
    );
    expect(new Set(Object.values(statuses).map(({ status }) => status))).toEqual(new Set([2]));
    expect((await fetch(`http://127.0.0.1:${door.port}/livez`)).status).toBe(200);

    const back = next(stream);
    door.setReadiness({ reads: undefined, writes: undefined });
    expect(await back).toBe("SERVING");
    expect(await readyz("?writes")).toEqual([200, "ok\n"]);
    stream.cancel();
  });

  it("is NOT_FOUND for a service that is not here", async () => {
    await using opened = await open();
    expect(await refusal(check(opened.client, "other.Service"))).toMatchObject({ status: "NOT_FOUND" });
  });

  it("tells a watcher the state at once and each change once", async () => {
    await using opened = await open();
    const stream = watch(opened.client, "tally.v1.CounterService");
    stream.on("error", () => {});
    expect(await next(stream)).toBe("SERVING");
    const changed = next(stream);
    opened.door.setServing(true);
    opened.door.setServing(false);
    expect(await changed).toBe("NOT_SERVING");
    const back = next(stream);
    opened.door.setServing(true);
    expect(await back).toBe("SERVING");
    stream.cancel();
  });

  it("keeps a watcher of an unknown service waiting", async () => {
    await using opened = await open();
    const stream = watch(opened.client, "other.Service");
    stream.on("error", () => {});
    expect(await next(stream)).toBe("SERVICE_UNKNOWN");
    stream.cancel();
  });

  it("forgets a watcher that has gone", async () => {
    await using opened = await open();
    const stream = watch(opened.client, "");
    await next(stream);
    stream.cancel();
    await once(stream, "error");
    opened.door.setServing(false);
    expect(await check(opened.client, "")).toEqual({ status: "NOT_SERVING" });
    expect(opened.logged).toEqual([]);
  });

  it("lists every service", async () => {
    await using opened = await open();
    const { statuses } = fromBinary(
      HealthListResponseSchema,
      await opened.client.raw("/grpc.health.v1.Health/List", new Uint8Array()),
    );
    expect(Object.keys(statuses)).toEqual(expect.arrayContaining(SERVICES));
    expect(Object.values(statuses).map(({ status }) => status)).toEqual(Object.keys(statuses).map(() => 1));
  });

  it("refuses bytes that are no request", async () => {
    await using opened = await open();
    const bytes = Uint8Array.from([0x0a, 5, 0x61]);
    expect(await refusal(opened.client.raw("/grpc.health.v1.Health/Check", bytes))).toMatchObject({
      status: "INVALID_ARGUMENT",
    });
    const as = (bytes: Buffer) => bytes;
    const stream = opened.client.grpc.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      as,
      as,
      Buffer.from(bytes),
    );
    const [error] = await once(stream.resume(), "error").catch((error) => [error]);
    expect(error.code).toBe(grpc.status.INVALID_ARGUMENT);
  });
});
