import type { JsonObject } from "@bufbuild/protobuf";
import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { API } from "../../../src/transports/calls/services.ts";

/** A request of each RPC about a counter, or about all that begin so. */
export const REQUESTS: Readonly<Record<string, (name: string) => JsonObject>> = {
  CreateCounter: (name) => ({ name }),
  GetCounter: (name) => ({ name }),
  BatchGetCounters: (name) => ({ names: ["shop.there", name] }),
  ListCounters: (prefix) => ({ prefix }),
  TopCounters: (prefix) => ({ prefix }),
  SumCounters: (prefix) => ({ prefix }),
  UpdateCounter: (name) => ({ name, max: "9" }),
  DeleteCounter: (name) => ({ name }),
  Increment: (name) => ({ name }),
  Decrement: (name) => ({ name }),
  Set: (name) => ({ name, value: "7" }),
  Reset: (name) => ({ name }),
  TakeLimit: (name) => ({ name }),
  TakeLimits: (name) => ({ takes: [{ name: "shop.there" }, { name }] }),
  GiveBackLimit: (name) => ({ name, amount: "1" }),
  SetPolicy: (prefix) => ({ prefix }),
  GetPolicy: (prefix) => ({ prefix }),
  ListPolicies: (prefix) => ({ prefix }),
  DeletePolicy: (prefix) => ({ prefix }),
  QueryHistory: (name) => ({ name }),
  ListChanges: (name) => ({ name }),
  BatchApply: (name) => ({
    operations: [
      { name: "shop.other", increment: "1" },
      { name, increment: "1" },
    ],
  }),
};
/** Those about counters: what is about callers is in admin.test.ts. */
export const METHODS = API.filter((service) => service !== AdminService).flatMap(({ methods }) =>
  methods.map(({ name }) => name),
);
