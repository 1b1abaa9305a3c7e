/** A guard over a catalogue in memory, and calls to ask it about. */
import { randomBytes } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import type { ErrorCode, Refusal } from "../../src/core/errors.ts";
import { Grants, grantFromText } from "../../src/core/grants.ts";
import { DirectoryChanges } from "../../src/guard/directory-changes.ts";
import { type Guard, type GuardOptions, openGuard } from "../../src/guard/guard.ts";
import { createKey } from "../../src/guard/keys.ts";
import { createPrincipal } from "../../src/guard/principals.ts";
import type { Catalogue } from "../../src/service/store-catalogue.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import type { LogFields } from "../../src/telemetry.ts";
import type { CallHead, KeptOfHeaders, Permit } from "../../src/transports/calls/authorise.ts";
import { HandClock } from "../support/clock.ts";

export interface Guarded extends Disposable {
  readonly guard: Guard;
  readonly clock: HandClock;
  readonly catalogue: Catalogue;
  readonly changes: DirectoryChanges;
  /** All but the denied calls, which stand apart. */
  readonly logged: string[];
  /** The same with what each event says. */
  readonly told: [event: string, fields: unknown][];
  /** What the log says of denied calls. */
  readonly denied: LogFields[];
  /** A principal with grants and one key. */
  principal(name: string, ...grants: string[]): Promise<{ id: string; keyId: string; key: string }>;
  /** What a call with these headers comes to: who it is, or why not. */
  ask(headers?: Headers, about?: Partial<CallHead>): Promise<string | ErrorCode>;
  permit(headers?: Headers, about?: Partial<CallHead>): Promise<Permit>;
}

export type Headers = Readonly<Record<string, string | string[]>>;

export async function guarded(
  options: Partial<GuardOptions> = {},
  catalogue: Catalogue = new CatalogueInMemory(
    () => {},
    () => 0,
  ),
): Promise<Guarded> {
  const clock = new HandClock();
  const logged: string[] = [];
  const told: Guarded["told"] = [];
  const denied: LogFields[] = [];
  const guard = await openGuard({
    mode: "required",
    catalogue,
    keyUses: catalogue instanceof CatalogueInMemory ? catalogue.keyUses : undefined,
    clock,
    log(event, fields) {
      if (event === "call.denied") return void denied.push(fields!);
      logged.push(event);
      told.push([event, fields]);
    },
    randomBytes,
    lookEveryMs: 3_600_000, // Tests look by themselves.
    ...options,
  });
  const changes = new DirectoryChanges(guard.current, catalogue, clock);
  const judge = async (headers: Headers, about: Partial<CallHead>) =>
    guard.authorise({ ...headOf(headers), ...about });
  return {
    guard,
    clock,
    catalogue,
    changes,
    logged,
    told,
    denied,
    async principal(name, ...grants) {
      const fields = { description: "", grants: grantsOf(...grants), rate: undefined };
      const { id } = ok(await createPrincipal(changes, name, fields, randomBytes));
      const { key, text } = ok(await createKey(changes, name, NO_END, randomBytes));
      return { id, keyId: key.id, key: text };
    },
    async ask(headers = {}, about = {}) {
      const said = await judge(headers, about);
      return "code" in said ? said.code : (said.callerName ?? "?");
    },
    async permit(headers = {}, about = {}) {
      return ok(await judge(headers, about));
    },
    [Symbol.dispose]: () => guard.close(),
  };
}

export const NO_END = { description: "", ttlMs: undefined };

export function headOf(
  headers: Headers = {},
  method: DescMethod = CounterService.method.increment,
): CallHead {
  return {
    method,
    headerOf: (name) => (headers[name] === undefined ? undefined : [headers[name]].flat().join(", ")),
    countOf: (name) => (headers[name] === undefined ? 0 : [headers[name]].flat().length),
    overGrpc: false,
    peer: () => ({ address: "192.0.2.1", certificate: undefined }),
  };
}

/** What is kept of headers that come again. */
export function keptOf(headers: Headers): KeptOfHeaders {
  const { headerOf, countOf } = headOf(headers);
  return { headerOf, countOf };
}

export function bearer(credential: string): Headers {
  return { authorization: `Bearer ${credential}` };
}

export function grantsOf(...texts: string[]): Grants {
  return new Grants(
    texts.map((text) => {
      const grant = grantFromText(text);
      if (typeof grant === "string") throw new TypeError(`${text} ${grant}`);
      return grant;
    }),
  );
}

/** @throws Error  of a refusal */
export function ok<T extends object>(said: T | Refusal): T {
  if ("code" in said) throw new Error(`expected no refusal, got ${JSON.stringify(said)}`);
  return said;
}
