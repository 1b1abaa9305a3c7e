/** The doors over a memory store, and a client that tells what it was answered to the last detail. */
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { v7 } from "uuid";
import { expect, vi } from "vitest";
import {
  type BadRequest,
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { HistoryService } from "../../gen/tally/v1/history_service_pb.ts";
import { PolicyService } from "../../gen/tally/v1/policy_service_pb.ts";
import type { Administration } from "../../src/guard/administration.ts";
import { fronted } from "../../src/service/fronted.ts";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { DEFAULT_HISTORY, type History } from "../../src/service/store-history.ts";
import { Writer } from "../../src/service/writer.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import type { Tracing } from "../../src/telemetry/tracing.ts";
import type { Log } from "../../src/telemetry.ts";
import type { BackupCalls } from "../../src/transports/calls/admin/backup.ts";
import type { ServerInfo } from "../../src/transports/calls/admin/server-info.ts";
import type { VerifyCalls } from "../../src/transports/calls/admin/verify.ts";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import type { UnaryCall } from "../../src/transports/calls/call.ts";
import { CallLog, type CallLogSettings } from "../../src/transports/calls/call-log.ts";
import type { StreamCall } from "../../src/transports/calls/stream.ts";
import type { DoorLimits } from "../../src/transports/door-limits.ts";
import { type Doors, type Http2EngineName, type OpenPart, openDoors } from "../../src/transports/doors.ts";
import { Certificate } from "../../src/transports/tls/certificate.ts";
import type { ClientAuth } from "../../src/transports/tls/clients.ts";
import type { CertificateFiles } from "../../src/transports/tls/pair.ts";
import { Following } from "../stores/conformance/history-following.ts";
import { HandClock } from "../support/clock.ts";
import { ENGINE } from "./engine.ts";

export interface Opened extends AsyncDisposable {
  readonly door: Doors;
  readonly clock: HandClock;
  readonly certificate: Certificate | undefined;
  /** Whom a client has to trust, over TLS. */
  readonly ca: string | undefined;
  readonly store: Store;
  readonly client: Client;
  readonly logged: { event: string; fields: Record<string, unknown> | undefined }[];
  readonly metrics: Metrics;
}

interface Options {
  readonly limits?: Partial<DoorLimits>;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly grpcListen?: { readonly host: string; readonly port: number };
  readonly metricsListen?: { readonly host: string; readonly port: number };
  /** Puts something in front of the real store or writer. */
  readonly store?: (real: Store) => Store;
  readonly writer?: (real: Writer) => Writer;
  readonly newUid?: () => string;
  readonly allowOrigins?: readonly string[];
  readonly authorise?: Authorise;
  readonly authenticates?: boolean;
  readonly open?: ReadonlySet<OpenPart>;
  readonly administration?: Administration;
  readonly serverInfo?: () => Promise<ServerInfo>;
  readonly backups?: BackupCalls["backups"];
  readonly verifications?: VerifyCalls["verifications"];
  readonly streamCalls?: readonly StreamCall[];
  readonly unaryCalls?: readonly UnaryCall[];
  /** That of this run of the tests, unless it is given. */
  readonly http2Engine?: Http2EngineName;
  /** Unless it is given: in plaintext that by which requests ask that are written by hand, over TLS any. */
  readonly hostNames?: readonly string[] | undefined;
  /** Over TLS, with this certificate; and of the client, whom it trusts. */
  readonly tls?: CertificateFiles & {
    readonly ca: string;
    readonly checkEveryMs?: number;
    /** Certificates are made now, and not when the clock of everything else is. */
    readonly clock?: HandClock;
    readonly clientCaFile?: string;
  };
  readonly clientAuth?: ClientAuth;
  /** Which calls are logged; none, unless it is given. */
  readonly calls?: CallLogSettings & { readonly chance?: () => number };
  /** Where calls are traced; nowhere, unless it is given. */
  readonly tracing?: (clock: HandClock) => Tracing;
  /** Whoever judges callers has the same. */
  readonly clock?: HandClock;
}

/** Open a door that serves; `await using` closes it. */
export async function open(options: Options = {}): Promise<Opened> {
  const {
    limits,
    listen = { host: "127.0.0.1", port: 0 },
    grpcListen,
    metricsListen,
    store: front,
    writer: frontWriter,
    newUid = () => v7(),
    allowOrigins = [],
    authorise,
    authenticates = false,
    open: parts,
    administration,
    serverInfo,
    backups,
    verifications,
    streamCalls = [],
    unaryCalls = [],
    tls,
    clientAuth = "off",
    http2Engine = ENGINE,
    calls = { ratio: 0, slowMs: Number.POSITIVE_INFINITY },
  } = options;
  const hostNames = "hostNames" in options ? options.hostNames : tls === undefined ? ["x"] : undefined;
  const { clock = new HandClock() } = options;
  const real = new MemoryStore({
    clock,
    newUid,
    retention: DEFAULT_RETENTION,
    history: DEFAULT_HISTORY,
    cachedCountersMax: 1_000,
    warn: () => {},
  });
  const history = followedWhenAsked(real);
  const followed = fronted(real, { history });
  const store = front?.(followed) ?? followed;
  const realWriter = new Writer(store, clock);
  const writer = frontWriter?.(realWriter) ?? realWriter;
  const logged: Opened["logged"] = [];
  const metrics = new Metrics();
  const log: Log = (event, fields) => void logged.push({ event, fields });
  const certificate =
    tls &&
    (await Certificate.open(tls, {
      clock: new HandClock(Date.now() + 3_600_000),
      log,
      checkEveryMs: 3_600_000,
      ...tls,
    }));
  const callLog = new CallLog(clock, log, calls.chance ?? (() => 0), calls);
  const door = await openDoors({
    listen,
    grpcListen,
    metricsListen,
    http2Engine,
    certificate,
    clientAuth,
    allowOrigins,
    hostNames,
    store,
    writer,
    clock,
    calendar: new ZoneCalendar(() => {}),
    telemetry: { log, metrics },
    callLog,
    tracing: options.tracing?.(clock),
    streamCalls,
    unaryCalls,
    ...(limits && { limits }),
    authenticates,
    open: parts,
    ...(authorise && { authorise }),
    ...(administration && { administration }),
    ...(serverInfo && { serverInfo }),
    ...(backups && { backups }),
    ...(verifications && { verifications }),
  });
  door.setServing(true);
  const client = new Client(door.grpcPort, {}, tls?.ca);
  const dispose = async () => {
    client.close();
    certificate?.close();
    await door.drain(0);
    callLog.close();
    await history.close();
    // Every call is measured to its end; some hear of it only after their connection is closed.
    const inFlight = metrics.placeOf("callsInFlight", {});
    await vi.waitFor(() => expect(metrics.numbers[inFlight], "calls left in flight").toBe(0));
  };
  return {
    door,
    clock,
    certificate,
    ca: tls?.ca,
    store,
    client,
    logged,
    metrics,
    [Symbol.asyncDispose]: dispose,
  };
}

/** The history of a store, whose log is followed from the first question on: most tests ask none. */
function followedWhenAsked(store: Store): History & { close(): Promise<void> } {
  let following: Following | undefined;
  const history = () => {
    following ??= new Following(store);
    return store.history!;
  };
  return {
    query: (...asked) => history().query(...asked),
    asOf: (...asked) => history().asOf(...asked),
    changes: (...asked) => history().changes(...asked),
    intake: store.history!.intake,
    close: async () => following?.close(),
  };
}

/** An error as a caller gets it, its details decoded. */
export interface Refused {
  readonly status: string;
  readonly message: string;
  /** Of Tally's own ErrorInfo; undefined when there is none. */
  readonly reason: string | undefined;
  readonly metadata: Record<string, string>;
  readonly badRequest: BadRequest | undefined;
  readonly retryMs: number | undefined;
}

export class Client {
  readonly grpc: grpc.Client;

  /** @param ca  whose certificates to trust, over TLS */
  constructor(port: number, options: grpc.ClientOptions = {}, ca?: string) {
    const { createInsecure, createSsl } = grpc.credentials;
    const credentials = ca === undefined ? createInsecure() : createSsl(Buffer.from(ca));
    this.grpc = new grpc.Client(`127.0.0.1:${port}`, credentials, {
      ...(ca !== undefined && { "grpc.ssl_target_name_override": "localhost" }),
      ...options,
    });
  }

  readonly createCounter = this.#rpc(CounterService.method.createCounter);
  readonly getCounter = this.#rpc(CounterService.method.getCounter);
  readonly updateCounter = this.#rpc(CounterService.method.updateCounter);
  readonly deleteCounter = this.#rpc(CounterService.method.deleteCounter);
  readonly increment = this.#rpc(CounterService.method.increment);
  readonly decrement = this.#rpc(CounterService.method.decrement);
  readonly set = this.#rpc(CounterService.method.set);
  readonly reset = this.#rpc(CounterService.method.reset);
  readonly batchGetCounters = this.#rpc(CounterService.method.batchGetCounters);
  readonly listCounters = this.#rpc(CounterService.method.listCounters);
  readonly topCounters = this.#rpc(CounterService.method.topCounters);
  readonly sumCounters = this.#rpc(CounterService.method.sumCounters);
  readonly batchApply = this.#rpc(CounterService.method.batchApply);
  readonly setPolicy = this.#rpc(PolicyService.method.setPolicy);
  readonly getPolicy = this.#rpc(PolicyService.method.getPolicy);
  readonly listPolicies = this.#rpc(PolicyService.method.listPolicies);
  readonly deletePolicy = this.#rpc(PolicyService.method.deletePolicy);
  readonly queryHistory = this.#rpc(HistoryService.method.queryHistory);
  readonly listChanges = this.#rpc(HistoryService.method.listChanges);

  close(): void {
    this.grpc.close();
  }

  /** Send bytes as the request of a method, whatever they are. */
  raw(path: string, bytes: Uint8Array, options: grpc.CallOptions = {}): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.grpc.makeUnaryRequest(path, asBuffer, asIs, bytes, new grpc.Metadata(), options, (error, value) =>
      error === null ? resolve(value!) : reject(error),
    );
    return promise;
  }

  #rpc<M extends DescMethodUnary>(method: M) {
    const path = `/${method.parent.typeName}/${method.name}`;
    return async (init: MessageInitShape<M["input"]>, options?: grpc.CallOptions) => {
      const bytes = await this.raw(path, toBinary(method.input, create(method.input, init)), options);
      return fromBinary(method.output as M["output"], bytes);
    };
  }
}

/** The error that a call ends with. */
export async function refusal(call: Promise<unknown>): Promise<Refused> {
  const error = await call.then(
    () => {
      throw new Error("expected the call to be refused, got an answer");
    },
    (error: grpc.ServiceError) => error,
  );
  if (typeof error.code !== "number") throw error;
  return refusedOf(error);
}

export function refusedOf({ code, details, metadata }: grpc.StatusObject): Refused {
  const [bytes] = metadata.get("grpc-status-details-bin");
  const any = bytes === undefined ? [] : fromBinary(StatusSchema, bytes as Buffer).details;
  const unpacked = any.map((detail) => ({
    info: anyUnpack(detail, ErrorInfoSchema),
    badRequest: anyUnpack(detail, BadRequestSchema),
    retry: anyUnpack(detail, RetryInfoSchema),
  }));
  const info = unpacked.find((detail) => detail.info)?.info;
  const delay = unpacked.find((detail) => detail.retry)?.retry?.retryDelay;
  return {
    status: grpc.status[code]!,
    message: details,
    reason: info?.domain === "tally" ? info.reason : undefined,
    metadata: info?.metadata ?? {},
    badRequest: unpacked.find((detail) => detail.badRequest)?.badRequest,
    retryMs: delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6,
  };
}

/** A store with some of its methods replaced. */
export function instead(store: Store, methods: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const own = methods[name as keyof Store] ?? target[name as keyof Store];
      return typeof own === "function" ? (own as () => unknown).bind(target) : own;
    },
  });
}

/** Holds back commits until they are let go. */
export function gate(store: Store): { store: Store; open: () => void; count: () => number } {
  const opened = Promise.withResolvers<void>();
  let held = 0;
  const gated = instead(store, {
    async commit(batch) {
      held++;
      await opened.promise;
      return store.commit(batch);
    },
  });
  return { store: gated, open: () => opened.resolve(), count: () => held };
}

const asIs = (bytes: Buffer): Buffer => bytes;
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
