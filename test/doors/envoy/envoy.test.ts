/** A real Envoy in front of an application asks Tally: with the configuration of deploy/envoy/limits.yaml. */
import { expect, it } from "vitest";
import type { Store } from "../../../src/service/store.ts";
import { apply, create, giveBack } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { instead, type Opened, open } from "../../transports/door.ts";
import { send } from "../../transports/http.ts";
import { ENVOY } from "../proxies/proxy.ts";
import { type Front, startFront } from "./envoy.ts";

/** The status, and what is left by Envoy's own fields. */
async function ask({ port }: Front, user?: string, path = "/", headers = {}) {
  const got = await send(port, {
    path,
    headers: { ...(user !== undefined && { "x-user": user }), ...headers },
  });
  return [got.status, got.headers["x-ratelimit-remaining"]];
}

async function value({ store }: Opened, name: string): Promise<bigint | undefined> {
  const [found] = await store.get([name]);
  return (found as { value: bigint } | undefined)?.value;
}

const MINUTE = { everyMs: 60_000, anchorMs: 0 };

describeWith([ENVOY], "Envoy", () => {
  it("lets through what there is room for, and answers 429 itself until the window ends", async () => {
    await using tally = await open();
    await using front = await startFront(tally.door.grpcPort);
    await apply(tally.store, create("edge/user/ada", { max: 3n, window: MINUTE }));
    for (const left of ["2", "1", "0"]) expect(await ask(front, "ada")).toEqual([200, left]);
    const refused = await send(front.port, { path: "/", headers: { "x-user": "ada" } });
    expect([refused.status, refused.text]).toEqual([429, ""]);
    expect(refused.headers).toMatchObject({
      "x-ratelimit-limit": "3, 3;w=60",
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": "60",
    });
    expect(front.served()).toBe(3);
    expect(await value(tally, "edge/user/ada")).toBe(3n);
    tally.clock.advance(60_000);
    expect(await ask(front, "ada")).toEqual([200, "2"]);
  });

  it("takes of several limits all or nothing; who has none is let through, and leaves no counter", async () => {
    await using tally = await open();
    await using front = await startFront(tally.door.grpcPort);
    await apply(tally.store, create("edge/user/ada", { max: 9n }));
    await apply(tally.store, create("edge/path+user/%2Fa%3Fb%3D1+ada", { max: 1n }));
    expect(await ask(front, "ada", "/a?b=1")).toEqual([200, "0"]);
    expect(await ask(front, "ada", "/a?b=1")).toEqual([429, "0"]);
    expect(await value(tally, "edge/user/ada")).toBe(1n); // The one that was refused has taken nothing.
    expect(await ask(front, "ada", "/c")).toEqual([200, "7"]);
    expect(await ask(front, "bob")).toEqual([200, undefined]);
    expect(await ask(front)).toEqual([200, undefined]);
    expect(await tally.store.sum({ prefix: "", labels: {} })).toMatchObject({ count: 2 });
  });

  it("takes what a header says, and gives back when the answer is out", async () => {
    await using tally = await open();
    await apply(tally.store, create("edge/user/ada", { max: 100n }));
    const actions = [{ request_headers: { header_name: "x-user", descriptor_key: "user" } }];
    await using front = await startFront(tally.door.grpcPort, ({ route }) => {
      const unused = { format: "%REQ(x-unused)%", is_negative_hits: true };
      route.typed_per_filter_config = {
        "envoy.filters.http.ratelimit": {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
          rate_limits: [
            { actions, hits_addend: { format: "%REQ(x-tokens)%" } },
            { actions, hits_addend: unused, apply_on_stream_done: true },
          ],
        },
      };
    });
    expect(await ask(front, "ada", "/", { "x-tokens": "60", "x-unused": "25" })).toEqual([200, "40"]);
    await expect.poll(() => value(tally, "edge/user/ada")).toBe(35n);
    expect((await ask(front, "ada", "/", { "x-tokens": "66", "x-unused": "0" }))[0]).toBe(429);
    expect(await value(tally, "edge/user/ada")).toBe(35n);
  });

  it("lets everything through while Tally does not answer, or not in time, and asks again after", async () => {
    let waiting: Promise<void> | undefined;
    const slow = (real: Store) =>
      instead(real, {
        async commit(batch) {
          await waiting;
          return real.commit(batch);
        },
      });
    await using tally = await open({ store: slow });
    await using front = await startFront(tally.door.grpcPort, ({ filter }) => {
      filter.timeout = "2s";
    });
    await apply(tally.store, create("edge/user/ada", { max: 1n, value: 1n }));
    expect(await ask(front, "ada")).toEqual([429, "0"]);
    const { promise, resolve: letGo } = Promise.withResolvers<void>();
    waiting = promise;
    expect(await ask(front, "ada")).toEqual([200, undefined]); // After the timeout.
    waiting = undefined;
    letGo();
    expect(await ask(front, "ada")).toEqual([429, "0"]);
    await apply(tally.store, giveBack("edge/user/ada", 1n));
    expect(await ask(front, "ada")).toEqual([200, "0"]);
    await tally.door.drain(0);
    expect(await ask(front, "ada")).toEqual([200, undefined]);
    expect(front.served()).toBe(3);
  });

  it("answers 500 meanwhile, where it is told not to fail open", async () => {
    await using tally = await open();
    await using front = await startFront(tally.door.grpcPort, ({ filter }) => {
      filter.failure_mode_deny = true;
    });
    expect((await ask(front, "ada"))[0]).toBe(200);
    await tally.door.drain(0);
    expect((await ask(front, "ada"))[0]).toBe(500);
    expect(front.served()).toBe(1);
  });
});
