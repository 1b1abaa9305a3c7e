import * as grpc from "@grpc/grpc-js";
import { expect, it, onTestFinished, vi } from "vitest";
import { silenceGrpcJs } from "../../src/transports/grpc-js/silence.ts";
import { HandClock } from "../support/clock.ts";

it("an error that grpc-js tells of is logged without its text, once in ten seconds, and printed nowhere", () => {
  const printed = (["log", "info", "warn", "error", "debug"] as const).map((name) => vi.spyOn(console, name));
  onTestFinished(() => void vi.restoreAllMocks());
  const clock = new HandClock();
  const logged: unknown[][] = [];
  silenceGrpcJs(clock, (...told) => void logged.push(told));
  const fail = () => grpc.Metadata.fromHttp2Headers({ authorization: "Bearer planted\xff" });
  fail();
  fail();
  expect(logged).toEqual([["grpc.engine_error"]]);
  clock.advance(10_000);
  fail();
  expect(logged).toEqual([["grpc.engine_error"], ["grpc.engine_error"]]);
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
});
