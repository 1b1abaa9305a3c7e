import {
  type Config,
  ConfigError,
  configFileOf,
  differenceOf,
  loadConfig,
  reloaded,
  type Sources,
} from "../config.ts";
import type { RunningServer } from "../server.ts";
import type { OpenLog } from "../telemetry/log.ts";

/**
 * What SIGHUP does to a server: the configuration file, the certificate with the authorities of clients, and the root key
 * are read again, whatever of these there is. What cannot be used is logged, and stays as it is; the others are not
 * concerned by it.
 *
 * @param sources  what the configuration was read from
 * @returns        reads again, and resolves when all of it is in use; undefined when there is nothing to read
 */
export function reloading(
  sources: Sources,
  config: Config,
  server: RunningServer,
  { log, setLevel }: OpenLog,
): () => Promise<void> | undefined {
  let current = config;
  const readConfig = () => {
    let read: Config;
    try {
      read = loadConfig(sources).config;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      log("config.unusable", { detail: error.message });
      return;
    }
    const { reloadable, others } = differenceOf(current, read);
    current = reloaded(current, read);
    server.reload(current);
    setLevel(current.logLevel);
    if (others.length > 0) log("config.restart_needed", { settings: others });
    log("config.reloaded", { changed: reloadable });
  };
  const file = configFileOf(sources);
  return () => {
    const hasPair = server.certificate !== undefined;
    if (file === "none" && !hasPair && !server.hasRootKey) return undefined;
    if (file === "file") readConfig();
    if (file === "pipe") log("config.unusable", { detail: PIPE });
    return Promise.all([server.renewCertificate(), server.renewRootKey()]).then(() => {});
  };
}

const PIPE = "The configuration came through a pipe, which cannot be read again; settings stay as they are.";
