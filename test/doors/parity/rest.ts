import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Kept, send } from "../../transports/http.ts";
import { type Answer, NO_SUCH_REQUEST, type ParityDoor, type Refusal } from "./door.ts";

/** An HTTP request to make. */
interface Request {
  readonly method: string;
  readonly path: string;
  readonly query?: JsonObject;
  readonly body?: JsonObject;
}

/** REST: what is written by hand from the documentation, sent as it is. */
export const rest: ParityDoor = {
  name: "REST",
  open: ({ door, ca }) => {
    const on = new Kept();
    return {
      async call(method, request) {
        const sent = ROUTES[method]?.(request);
        if (sent === undefined) throw new TypeError(`expected a path for ${method}; add it to ROUTES`);
        if (request.name === "") return NO_SUCH_REQUEST;
        const query = queryOf(sent.query ?? {});
        const path = `${sent.path}${query === "" ? "" : `?${query}`}`;
        const got = await send(door.port, { ...sent, path, ca, on });
        return answerOf(got.status, got.json as JsonValue);
      },
    };
  },
};

/** How each RPC is called; one that is missing fails. */
const ROUTES: Readonly<Record<string, (request: JsonObject) => Request>> = {
  CreateCounter: (body) => ({ method: "POST", path: "/v1/counters", body }),
  GetCounter: ({ name, ...query }) => ({ method: "GET", path: counter(name), query }),
  BatchGetCounters: (body) => ({ method: "POST", path: "/v1/counters:batchGet", body }),
  ListCounters: (query) => ({ method: "GET", path: "/v1/counters", query }),
  TopCounters: (query) => ({ method: "GET", path: "/v1/counters:top", query }),
  SumCounters: (query) => ({ method: "GET", path: "/v1/counters:sum", query }),
  UpdateCounter: ({ name, ...body }) => ({ method: "PATCH", path: counter(name), body }),
  DeleteCounter: ({ name, ...query }) => ({ method: "DELETE", path: counter(name), query }),
  Increment: ({ name, ...body }) => ({ method: "POST", path: `${counter(name)}:increment`, body }),
  Decrement: ({ name, ...body }) => ({ method: "POST", path: `${counter(name)}:decrement`, body }),
  Set: ({ name, ...body }) => ({ method: "POST", path: `${counter(name)}:set`, body }),
  Reset: ({ name, ...body }) => ({ method: "POST", path: `${counter(name)}:reset`, body }),
  TakeLimit: ({ name, ...body }) => ({ method: "POST", path: `${limit(name)}:take`, body }),
  TakeLimits: (body) => ({ method: "POST", path: "/v1/limits:take", body }),
  GiveBackLimit: ({ name, ...body }) => ({ method: "POST", path: `${limit(name)}:giveBack`, body }),
  QueryHistory: ({ name, ...query }) => ({ method: "GET", path: `/v1/history${segment(name)}`, query }),
  ListChanges: ({ name, ...query }) => ({ method: "GET", path: `/v1/changes${segment(name)}`, query }),
  SetPolicy: (body) => ({ method: "PUT", path: "/v1/policies", body }),
  GetPolicy: (query) => ({ method: "GET", path: "/v1/policies:get", query }),
  ListPolicies: (query) => ({ method: "GET", path: "/v1/policies", query }),
  DeletePolicy: (query) => ({ method: "DELETE", path: "/v1/policies", query }),
  BatchApply: (body) => ({ method: "POST", path: "/v1/counters:batchApply", body }),
};

function counter(name: JsonValue | undefined): string {
  return `/v1/counters/${encodeURIComponent(name as string)}`;
}

function segment(name: JsonValue | undefined): string {
  return name === undefined ? "" : `/${encodeURIComponent(name as string)}`;
}

function limit(name: JsonValue | undefined): string {
  return `/v1/limits/${encodeURIComponent(name as string)}`;
}

function queryOf(fields: JsonObject): string {
  const query = new URLSearchParams();
  for (const [field, value] of Object.entries(fields)) {
    if (field === "labels") {
      for (const [key, label] of Object.entries(value as JsonObject)) query.set(`labels.${key}`, `${label}`);
    } else {
      query.set(field, `${value}`);
    }
  }
  return query.toString();
}

function answerOf(httpStatus: number, body: JsonValue): Answer {
  const allowed = (body as JsonObject).allowed ?? true;
  if (httpStatus === (allowed ? 200 : 429)) return { ok: body }; // What is not allowed is an answer.
  const { code, ...error } = (body as unknown as { error: Refusal & { code: number } }).error;
  if (code !== httpStatus) throw new Error(`expected HTTP status ${httpStatus} in the body, got ${code}`);
  return { error };
}
