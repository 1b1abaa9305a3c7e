import { type Address, type Config, isLoopback, limitsOf } from "./config.ts";
import type { Clock } from "./core/clock.ts";
import { seldom } from "./core/seldom.ts";
import { judgeStart } from "./server/judged.ts";
import { toListenError } from "./server/listen-failure.ts";
import { followLog } from "./server/log-followed.ts";
import {
  archiveOf,
  backupsOf,
  openCertificateOf,
  openGuardOf,
  openStoreOf,
  openTracingOf,
} from "./server/opening.ts";
import { startArchiveWatch } from "./service/archive-watch.ts";
import { startBackups } from "./service/backups.ts";
import { CommitMeter, commitsTold } from "./service/commits-told.ts";
import { type DamageMet, watchDamage } from "./service/damage.ts";
import { startMaintenance } from "./service/maintenance.ts";
import { measureReadiness, type Readiness, watchReadiness } from "./service/readiness.ts";
import { ServerState } from "./service/server-state.ts";
import type { StoreTraits } from "./service/store.ts";
import { Verifications } from "./service/verifications.ts";
import { DEFAULT_WRITER_LIMITS, Writer, type WriterLimits } from "./service/writer.ts";
import { ZoneCalendar } from "./stores/shared/calendar.ts";
import { SYSTEM_CLOCK } from "./system-clock.ts";
import { measureProcess } from "./telemetry/process.ts";
import type { Telemetry } from "./telemetry.ts";
import { CallLog, type CallLogSettings } from "./transports/calls/call-log.ts";
import type { CertificateFacts } from "./transports/tls/pair.ts";

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
 * @param deps.env  what OpenTelemetry's variables are looked for in; by default there are none, and no traces
 * @throws StartError  with one sentence for the operator
 */
export async function startServer(
  config: Config,
  deps: { telemetry: Telemetry; clock?: Clock; about?: About; env?: NodeJS.ProcessEnv },
): Promise<RunningServer> {
  const { telemetry, clock = SYSTEM_CLOCK, about = NOTHING_KNOWN, env = {} } = deps;
  const startTimeMs = clock.now();
  const { log } = telemetry;
  const loading = import("./transports/doors.ts"); // Compiles while the store's workers open the file.
  const opened: Closable[] = [];
  const closeAll = async (graceMs: number) => {
    const untilMs = clock.monotonic() + graceMs;
    for (const { close } of opened.splice(0).reverse()) await close(Math.max(0, untilMs - clock.monotonic()));
  };
  const forgetProcess = measureProcess(telemetry.metrics, startTimeMs);
  opened.push({ close: async () => forgetProcess() });
  try {
    const certificate = await openCertificateOf(config, clock, telemetry);
    if (certificate !== undefined) opened.push({ close: async () => certificate.close() });
    const traced = await openTracingOf(config, env, about.version, clock, telemetry);
    if (traced !== undefined) opened.push(traced); // Ends when all that is traced has.
    const { metrics } = telemetry;
    if (certificate !== undefined) opened.push(forgetting(certificate.measure(metrics)));
    const rootKey = await judgeStart(config);

    const warned = [...about.warnings];
    const store = await openStoreOf(config, clock, telemetry.metrics, (detail) => {
      log("store.warning", { detail });
      warned.push(detail);
      if (warned.length > WARNINGS_MAX) warned.shift();
    });
    let inVain = true; // Until it is used.
    opened.push({ close: () => (inVain && store.discard !== undefined ? store.discard() : store.close()) });
    const guarding = await openGuardOf(config, store, clock, telemetry, rootKey);
    opened.push({ close: () => guarding.close() });
    const { guard } = guarding;
    inVain = false;
    const backups = backupsOf(config, store, clock, telemetry);
    if (backups !== undefined) opened.push(startBackups(backups));
    const archive = archiveOf(store, backups, clock, telemetry);
    if (archive !== undefined) opened.push(startArchiveWatch(archive));

    const verifications = store.verifying && new Verifications(store.verifying);
    if (verifications !== undefined) opened.push({ close: () => verifications.close() });

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
    const tellDamage = seldom(clock, ({ names, parts }: DamageMet) => log("store.damaged", { parts, names }));
    const damage = watchDamage(readiness.store, tellDamage, metrics);
    const meter = new CommitMeter(metrics);
    const told = { meter, readiness: readiness.commits, damage: damage.commits };
    const writer = new Writer(
      store,
      clock,
      writerLimitsOf(config),
      commitsTold(log, clock, { ...told, wake: following.wake, each: eachLogged }),
    );
    const unwatch = meter.watch(writer);
    opened.push({ close: () => writer.drain().finally(unwatch) });

    const callLog = new CallLog(clock, log, Math.random, callsLoggedBy(config));
    opened.push(forgetting(() => callLog.close()));

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
      store: damage.store,
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
      verifications,
      serverInfo: async () => ({
        state: await state.now(),
        ...{ version: about.version, startTimeMs, auth: config.auth, store: store.traits },
        limits: limitsOf(config),
        lastBackup: backups?.last,
        warnings: [
          ...unready(readiness.current),
          ...(backups?.warnings ?? []),
          ...(archive?.warnings ?? []),
          ...warned,
        ],
      }),
      callLog,
      tracing: traced?.tracing,
      eachLogged,
      limits: config,
    }).catch((error: unknown) => {
      throw toListenError(error, config);
    });
    opened.push({ close: (graceMs) => doors.drain(graceMs) });
    tellDoors = (now) => doors.setReadiness(now);
    tellDoors(readiness.current);
    doors.setServing(true);

    const address = { host: listen.host, port: doors.port };
    const grpcAddress = { host: (grpcListen ?? listen).host, port: doors.grpcPort };
    if (traced !== undefined) traced.tracing.servedAt = { http: address, grpc: grpcAddress };

    let closing: Promise<void> | undefined;
    return {
      ...{ address, grpcAddress },
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
        callLog.settings = callsLoggedBy(next);
        if (traced !== undefined) traced.tracing.ratio = next.traceRatio;
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

/** At debug each call is logged, whatever else is asked for. */
function callsLoggedBy({ logLevel, accessLogRatio, slowCallLogMs }: Config): CallLogSettings {
  return {
    ratio: logLevel === "debug" ? 1 : accessLogRatio,
    slowMs: slowCallLogMs ?? Number.POSITIVE_INFINITY,
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

/** What a commit takes at most is no setting: it follows from the 8,000 operations that a BatchApply may have. */
function writerLimitsOf({ queueOpsMax, queueBytesMax }: Config): WriterLimits {
  return { ...DEFAULT_WRITER_LIMITS, queueOpsMax, queueBytesMax };
}
