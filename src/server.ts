import { randomBytes } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { type Address, type Config, formatAddress, isLoopback, limitsOf } from "./config.ts";
import type { Clock } from "./core/clock.ts";
import { withoutSecrets } from "./core/secrets.ts";
import { seldom } from "./core/seldom.ts";
import { GuardError, type Guarding, openGuardFor } from "./guard/open-for.ts";
import { Backups, startBackups } from "./service/backups.ts";
import { CommitMeter } from "./service/commit-meter.ts";
import { commitsTold } from "./service/commits-told.ts";
import { tellingOfDamage } from "./service/damage.ts";
import { followHistory } from "./service/history-follower.ts";
import { HistoryLag } from "./service/history-lag.ts";
import { LogReader } from "./service/log-reader.ts";
import { startMaintenance } from "./service/maintenance.ts";
import { measureReadiness, type Readiness, watchReadiness } from "./service/readiness.ts";
import { ServerState } from "./service/server-state.ts";
import type { Store, StoreTraits } from "./service/store.ts";
import type { HistoryOptions } from "./service/store-history.ts";
import { DEFAULT_WRITER_LIMITS, Writer, type WriterLimits } from "./service/writer.ts";
import { StartError, type StartReason, storeStartFailure } from "./start-error.ts";
import { openStore } from "./stores/open.ts";
import { ZoneCalendar } from "./stores/shared/calendar.ts";
import { SYSTEM_CLOCK } from "./system-clock.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { measureProcess } from "./telemetry/process.ts";
import type { Telemetry } from "./telemetry.ts";
import { ListenError } from "./transports/listener.ts";
import { Certificate } from "./transports/tls/certificate.ts";
import { CertificateError, type CertificateFacts } from "./transports/tls/pair.ts";

export type { CertificateFacts };

/** A server that answers calls. */
export interface RunningServer {
  /** Where it really listens: the port is known even if it was given as 0. */
  readonly address: Address;
  /** Where gRPC is served; the same unless it has a port of its own. */
  readonly grpcAddress: Address;
  /** Where scrapers and probes ask without credentials; undefined: nowhere. */
  readonly metricsAddress: Address | undefined;
  /** What it shows to those who connect, over TLS; undefined when all is in plaintext. */
  readonly certificate: CertificateFacts | undefined;
  readonly store: StoreTraits;
  /** Settles only if the store has failed for good; the process is then to end soon. */
  readonly failed: Promise<Error>;
  /** Read the certificate again, which was renewed; one that cannot be used is logged, and not taken. */
  renewCertificate(): Promise<void>;
  /** Whether there is a root key. */
  readonly hasRootKey: boolean;
  /** The same for it. */
  renewRootKey(): Promise<void>;
  /** Resolves once every thread of the store answers; see Store.threadsAnswer. */
  threadsAnswer(): Promise<unknown>;
  /** Go by a configuration that differs from the one before in nothing but what can be reloaded. */
  reload(config: Config): void;
  /**
   * Not ready any more, finish calls in flight, have every answered change durable, release everything.
   *
   * @param graceMs  how long calls in flight may take; by default the configured drain grace
   */
  close(graceMs?: number): Promise<void>;
}

/** What the process is, for who may observe. */
export interface About {
  /** Of Tally. */
  readonly version: string;
  /** What the configuration warns of, a sentence each. */
  readonly warnings: readonly string[];
}

const NOTHING_KNOWN: About = { version: "", warnings: [] };

/** Of more the oldest are forgotten. */
const WARNINGS_MAX = 20;

/**
 * Open everything in order; resolves when calls are answered. Closes in reverse what it opened, also when a later
 * step fails.
 *
 * @throws StartError  with one sentence for the operator
 */
export async function startServer(
  config: Config,
  deps: { telemetry: Telemetry; clock?: Clock; about?: About },
): Promise<RunningServer> {
  const { telemetry, clock = SYSTEM_CLOCK, about = NOTHING_KNOWN } = deps;
  const startTimeMs = clock.now();
  const { log } = telemetry;
  const loading = import("./transports/doors.ts"); // Compiles while the store's workers open the file.
  const opened: Closable[] = [];
  const closeAll = async (graceMs: number) => {
    for (const { close } of opened.splice(0).reverse()) await close(graceMs);
  };
  const forgetProcess = measureProcess(telemetry.metrics, startTimeMs);
  opened.push({ close: async () => forgetProcess() });
  try {
    const certificate = await openCertificateOf(config, clock, telemetry);
    if (certificate !== undefined) opened.push({ close: async () => certificate.close() });
    const { metrics } = telemetry;
    if (certificate !== undefined) opened.push(forgetting(certificate.measure(metrics)));

    const warned = [...about.warnings];
    const store = await openStoreOf(config, clock, telemetry.metrics, (detail) => {
      log("store.warning", { detail });
      warned.push(detail);
      if (warned.length > WARNINGS_MAX) warned.shift();
    });
    opened.push({ close: () => store.close() });
    const backups = backupsOf(config, store, clock, telemetry);
    if (backups !== undefined) opened.push(startBackups(backups));

    const guarding = await openGuardOf(config, store, clock, telemetry);
    opened.push({ close: () => guarding.close() });
    const { guard } = guarding;

    const following = followLog(store, telemetry, clock);
    opened.push(following);

    const maintenance = startMaintenance(store, {
      everyMs: MAINTENANCE_EVERY_MS,
      onError: (err) => log("maintenance.failed", { err }),
    });
    opened.push({ close: () => maintenance.close() });

    const eachLogged = { isOn: config.logLevel === "debug" };
    let tellDoors = (_: Readiness) => {}; // Once there are some.
    const readiness = watchReadiness(store, clock, {
      everyMs: READINESS_EVERY_MS,
      onChange(now, err) {
        tellDoors(now);
        const { reads, writes } = now;
        if (writes === undefined) log("store.ready");
        else log("store.not_ready", { reads: reads ?? "ok", writes, err });
      },
    });
    opened.push({ close: async () => readiness.close() });
    opened.push(forgetting(measureReadiness(metrics, readiness)));
    const state = new ServerState(store, metrics, clock);
    opened.push(forgetting(() => state.close()));
    const tellDamage = seldom(clock, (names) => log("store.damaged", { names }));
    const served = tellingOfDamage(readiness.store, tellDamage, metrics);
    const commits = new CommitMeter(metrics);
    const writer = new Writer(
      served,
      clock,
      writerLimitsOf(config),
      commitsTold(log, clock, { meter: commits, wake: following.wake, each: eachLogged }),
    );
    const unwatch = commits.watch(writer);
    opened.push({ close: () => writer.drain().finally(unwatch) });

    const { openDoors } = await loading;
    const { listen, grpcListen, metricsListen, allowOrigins } = config;
    const doors = await openDoors({
      listen,
      grpcListen,
      metricsListen,
      http2Engine: config.http2Engine,
      certificate,
      clientAuth: config.tlsClientAuth,
      allowOrigins,
      hostNames: hostNamesOf(config),
      store: served,
      writer,
      clock,
      calendar: new ZoneCalendar(() => {}), // Who asks for a zone that is not known is told so.
      telemetry,
      ...(guard !== undefined && {
        authorise: guard.authorise,
        authenticates: true,
        open: new Set(config.authOpen),
        administration: guard.administration,
      }),
      backups,
      serverInfo: async () => ({
        state: await state.now(),
        ...{ version: about.version, startTimeMs, auth: config.auth, store: store.traits },
        limits: limitsOf(config),
        lastBackup: backups?.last,
        warnings: [...unready(readiness.current), ...(backups?.warnings ?? []), ...warned],
      }),
      eachLogged,
      limits: config,
    }).catch((error: unknown) => {
      throw toListenError(error, config);
    });
    opened.push({ close: (graceMs) => doors.drain(graceMs) });
    tellDoors = (now) => doors.setReadiness(now);
    tellDoors(readiness.current);
    doors.setServing(true);

    let closing: Promise<void> | undefined;
    return {
      address: { host: listen.host, port: doors.port },
      grpcAddress: { host: (grpcListen ?? listen).host, port: doors.grpcPort },
      metricsAddress: metricsListen && { host: metricsListen.host, port: doors.metricsPort! },
      get certificate() {
        return certificate?.facts;
      },
      async renewCertificate() {
        await certificate?.renew();
      },
      hasRootKey: guard?.hasRootKey ?? false,
      async renewRootKey() {
        await guard?.renewRootKey();
      },
      reload(next) {
        eachLogged.isOn = next.logLevel === "debug";
        guarding.reload(next);
      },
      threadsAnswer: async () => store.threadsAnswer?.(),
      store: store.traits,
      failed: store.failed,
      close(graceMs = config.drainGraceMs) {
        doors.setServing(false);
        closing ??= closeAll(graceMs);
        return closing;
      },
    };
  } catch (error) {
    await closeAll(0);
    throw error;
  }
}

/**
 * The names that it answers to; undefined: any. In plaintext on this machine alone nothing but the name tells a stranger's
 * page from ours, unless callers have to say who they are. Elsewhere there is a certificate, or a network in which names are
 * somebody else's business.
 */
function hostNamesOf({ hostNames, listen, tlsCertFile, auth }: Config): readonly string[] | undefined {
  const open = auth !== "required" && tlsCertFile === undefined && isLoopback(listen.host);
  return hostNames.length > 0 || open ? hostNames : undefined;
}

function backupsOf(
  { backupDir: dir, backupEveryMs: everyMs, backupKeep: keep, backupRate: bytesPerSecond }: Config,
  { backups }: Store,
  clock: Clock,
  telemetry: Telemetry,
): Backups | undefined {
  return backups && new Backups(backups, { dir, everyMs, keep, bytesPerSecond }, clock, telemetry);
}

/** Has what follows the change log follow it: history, if the store keeps one. Undefined `wake`: commits need not tell. */
function followLog(
  store: Store,
  { log, metrics }: Telemetry,
  clock: Clock,
): Closable & { readonly wake: (() => void) | undefined } {
  if (store.history === undefined) return { wake: undefined, async close() {} };
  // Of a store of several processes each look writes: so it is looked at now and then, whoever commits.
  const shared = store.traits.time === "server";
  const reader = new LogReader(store.changeLog, {
    pageChanges: 4_000,
    keptBytesMax: 8 * 2 ** 20,
    restMs: shared ? 200 : 20,
    lookEveryMs: shared ? 500 : 1_000, // What time does is written down by maintenance.
  });
  const lag = new HistoryLag(clock);
  const unwatch = lag.watch(metrics);
  const follower = followHistory(store, store.history.intake, reader, {
    retryMs: 1_000,
    saveMs: 1_000,
    onError: seldom(clock, (err) => log("history.failed", { err })),
    onMissed: () => log("history.missed"),
    lag,
  });
  return {
    wake: shared ? undefined : () => reader.wake(),
    async close() {
      unwatch();
      await follower.close();
      await reader.close();
    },
  };
}

interface Closable {
  readonly close: (graceMs: number) => Promise<void>;
}

function forgetting(forget: () => void): Closable {
  return { close: async () => forget() };
}

function unready({ reads, writes }: Readiness): string[] {
  if (reads !== undefined) return [`Reads are not answered: ${reads}.`];
  return writes === undefined ? [] : [`Changes are not taken: ${writes}.`];
}

const MAINTENANCE_EVERY_MS = 1_000;
const READINESS_EVERY_MS = 1_000;

/** Before anything else, so that a server that cannot start makes no file. */
async function openCertificateOf(
  { tlsCertFile: certFile, tlsKeyFile: keyFile, tlsClientCaFile: clientCaFile }: Config,
  clock: Clock,
  { log }: Telemetry,
): Promise<Certificate | undefined> {
  if (certFile === undefined || keyFile === undefined) return undefined;
  try {
    return await Certificate.open(
      { certFile, keyFile, clientCaFile },
      { clock, log, checkEveryMs: RENEWAL_CHECK_MS },
    );
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new StartError("CERTIFICATE_UNUSABLE", error.message, { cause: error });
  }
}

/** Who renews a certificate does so weeks before the old one ends; a minute is soon. */
const RENEWAL_CHECK_MS = 60_000;

async function openStoreOf(
  config: Config,
  clock: Clock,
  metrics: Metrics,
  warn: (detail: string) => void,
): Promise<Store> {
  try {
    return await openStore(config.store, {
      clock,
      newUid: uuidv7,
      retention: config,
      cachedCountersMax: config.cachedCountersMax,
      history: historyOf(config),
      migrates: config.migratesAtStart,
      metrics,
      warn,
    });
  } catch (error) {
    throw storeStartFailure(error);
  }
}

/** Who may call, before anybody can. */
async function openGuardOf(
  config: Config,
  store: Store,
  clock: Clock,
  telemetry: Telemetry,
): Promise<Guarding> {
  try {
    const deps = { clock, randomBytes, ...telemetry };
    return await openGuardFor(store, config, withoutSecrets(config.store), deps);
  } catch (error) {
    if (!(error instanceof GuardError)) throw storeStartFailure(error);
    const reason = error.isDamage ? "STORE_UNUSABLE" : "CREDENTIALS_UNUSABLE";
    throw new StartError(reason, error.message, { cause: error });
  }
}

function historyOf(config: Config): HistoryOptions | undefined {
  if (!config.history) return undefined;
  const {
    historyKeepMinutesMs,
    historyKeepQuartersMs,
    historyKeepDaysMs = Number.POSITIVE_INFINITY,
  } = config;
  return {
    bytesMax: config.historyBytesMax,
    keepMs: [historyKeepMinutesMs, historyKeepQuartersMs, historyKeepDaysMs],
  };
}

/** What a commit takes at most is no setting: it follows from the 8,000 operations that a BatchApply may have. */
function writerLimitsOf({ queueOpsMax, queueBytesMax }: Config): WriterLimits {
  return { ...DEFAULT_WRITER_LIMITS, queueOpsMax, queueBytesMax };
}

function toListenError(error: unknown, { grpcListen, metricsListen }: Config): unknown {
  if (!(error instanceof ListenError)) return error;
  const { code } = error.cause as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : LISTEN_ERRORS[code];
  if (known === undefined) return error;
  const [reason, why] = known;
  const flags = new Map([
    [grpcListen, "--grpc-listen"],
    [metricsListen, "--metrics-listen"],
  ]);
  const flag = flags.get(error.address) ?? "--listen";
  const sentence = `Cannot listen on ${formatAddress(error.address)}: ${why.replace("--listen", flag)}.`;
  return new StartError(reason, sentence, { cause: error });
}

const LISTEN_ERRORS: Readonly<Record<string, readonly [StartReason, string]>> = {
  EADDRINUSE: [
    "ADDRESS_IN_USE",
    "another process does already; stop that one, or choose another port with --listen",
  ],
  EACCES: ["ADDRESS_FORBIDDEN", "this user may not; choose a port above 1023 with --listen"],
  EADDRNOTAVAIL: ["ADDRESS_UNKNOWN", "this machine has no such address; choose one of its own with --listen"],
  ENOTFOUND: ["ADDRESS_UNKNOWN", "nobody knows this name; check --listen"],
  EAI_AGAIN: ["ADDRESS_UNKNOWN", "the name could not be looked up; check --listen, or give an IP address"],
};
