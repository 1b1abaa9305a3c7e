/** What a server is made of that may fail to open: each failure with one sentence for the operator. */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { v7 as uuidv7 } from "uuid";
import type { Config } from "../config.ts";
import type { Clock } from "../core/clock.ts";
import { withoutSecrets } from "../core/secrets.ts";
import { GuardError, type Guarding, openGuardFor } from "../guard/open-for.ts";
import type { RootKey } from "../guard/root-key.ts";
import { ArchiveWatch } from "../service/archive-watch.ts";
import { Backups } from "../service/backups.ts";
import type { Store } from "../service/store.ts";
import type { HistoryOptions } from "../service/store-history.ts";
import { StartError, storeStartFailure } from "../start-error.ts";
import { openStore } from "../stores/open.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { OpenTracing } from "../telemetry/otlp/open.ts";
import { OtlpError, otlpAskedIn } from "../telemetry/otlp-asked.ts";
import type { Telemetry } from "../telemetry.ts";
import { Certificate } from "../transports/tls/certificate.ts";
import { CertificateError } from "../transports/tls/pair.ts";
import { assertFoldersOf } from "./folders.ts";

/** Before anything else, so that a server that cannot start makes no file. */
export async function openCertificateOf(
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

/**
 * Tracing, where the environment asks for it: what it takes is loaded only then.
 *
 * @returns  undefined where it does not
 */
export async function openTracingOf(
  { traceRatio: ratio }: Config,
  env: NodeJS.ProcessEnv,
  version: string,
  clock: Clock,
  { log, metrics }: Telemetry,
): Promise<OpenTracing | undefined> {
  let variable = "";
  try {
    const asked = otlpAskedIn(env);
    if (asked === undefined) return undefined;
    variable = asked.variable;
    const { openOtlp } = await import("../telemetry/otlp/open.ts");
    const { protocol, queueMax } = asked;
    const tracing = await openOtlp({
      ...{ protocol, queueMax, version, instance: uuidv7() },
      ...{ clock, log, metrics, chance: Math.random, ratio },
    });
    log("traces.on", { endpoint: withoutSecrets(asked.endpoint), protocol });
    return tracing;
  } catch (error) {
    if (error instanceof OtlpError) throw new StartError("TRACING_UNUSABLE", error.message, { cause: error });
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const sentence = `Traces are asked for (${variable}), which takes packages that are not here. Beside tally, run: npm install ${TRACING_PACKAGES.join(" ")}`;
    throw new StartError("TRACING_UNUSABLE", sentence, { cause: error });
  }
}

/** As package.json has them, among those that people install themselves. */
export const TRACING_PACKAGES: readonly string[] = [
  "@opentelemetry/api@1.9",
  "@opentelemetry/resources@2",
  "@opentelemetry/sdk-trace-base@2",
  "@opentelemetry/exporter-trace-otlp-proto@0.223",
  "@opentelemetry/exporter-trace-otlp-http@0.223",
];

export async function openStoreOf(
  config: Config,
  clock: Clock,
  metrics: Metrics,
  warn: (detail: string) => void,
): Promise<Store> {
  await assertFoldersOf(config); // So that a server that cannot start makes no file.
  try {
    return await openStore(config.store, {
      clock,
      newUid: uuidv7,
      retention: config,
      cachedCountersMax: config.cachedCountersMax,
      history: historyOf(config),
      archive: config.archiveDir === undefined ? undefined : { dir: resolve(config.archiveDir) },
      migrates: config.migratesAtStart,
      metrics,
      warn,
    });
  } catch (error) {
    throw storeStartFailure(error);
  }
}

/**
 * Who may call, before anybody can.
 *
 * @param rootKey  from judgeStart
 */
export async function openGuardOf(
  config: Config,
  store: Store,
  clock: Clock,
  telemetry: Telemetry,
  rootKey: RootKey | undefined,
): Promise<Guarding> {
  try {
    const deps = { clock, randomBytes, rootKey, ...telemetry };
    return await openGuardFor(store, config, withoutSecrets(config.store), deps);
  } catch (error) {
    throw toGuardFailure(error);
  }
}

/** What an operator is told whose store cannot be guarded as they want it; any other error as the store's. */
export function toGuardFailure(error: unknown): unknown {
  if (!(error instanceof GuardError)) return storeStartFailure(error);
  const reason = error.isDamage ? "STORE_UNUSABLE" : "CREDENTIALS_UNUSABLE";
  return new StartError(reason, error.message, { cause: error });
}

/** The backups that it makes; undefined of a store of which Tally makes none. */
export function backupsOf(
  { backupDir: dir, backupEveryMs: everyMs, backupKeep: keep, backupRate: bytesPerSecond }: Config,
  { backups }: Store,
  clock: Clock,
  telemetry: Telemetry,
): Backups | undefined {
  return backups && new Backups(backups, { dir, everyMs, keep, bytesPerSecond }, clock, telemetry);
}

/** What looks after the archive; undefined where there is none. */
export function archiveOf(
  { archive }: Store,
  backups: Backups | undefined,
  clock: Clock,
  telemetry: Telemetry,
): ArchiveWatch | undefined {
  return archive && backups && new ArchiveWatch(archive, backups, clock, telemetry);
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
