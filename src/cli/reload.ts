import { type Config, ConfigError, differenceOf, loadConfig, reloaded, type Sources } from "../config.ts";
import type { RunningServer } from "../server.ts";
import type { OpenLog } from "../telemetry.ts";

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
  const hasFile = Boolean(sources.flags.config ?? sources.env.TALLY_CONFIG);
  return () => {
    const hasPair = server.certificate !== undefined;
    if (!hasFile && !hasPair && !server.hasRootKey) return undefined;
    if (hasFile) readConfig();
    return Promise.all([server.renewCertificate(), server.renewRootKey()]).then(() => {});
  };
}
