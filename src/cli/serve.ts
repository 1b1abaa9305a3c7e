import { type Command, Option } from "commander";
import { aboutOf, formatAddress, KEYS, loadConfig, type Sources, variableOf } from "../config.ts";
import { type RunningServer, startServer } from "../server.ts";
import { openLog } from "../telemetry/log.ts";
import { Metrics } from "../telemetry/metrics.ts";
import type { Log } from "../telemetry.ts";
import { bannerOf, readyFields } from "./banner.ts";
import { EXIT } from "./exit.ts";
import { keepHeapsClose } from "./heap-growth.ts";
import { notes } from "./help.ts";
import { reloading } from "./reload.ts";
import { keepDebuggerShut, onOtherSignals, onStopSignals } from "./signals.ts";
import { startFailureOf } from "./start-failure.ts";
import type { Supervisor } from "./supervisor.ts";

/** `tally serve`: run the service until it is told to stop. */
export function define(command: Command, { version }: { version: string }): void {
  command.addHelpText("before", EXAMPLES).addHelpText("after", notes(PRECEDENCE));
  for (const key of Object.values(KEYS)) {
    const help = `${aboutOf(key)} (${key.expected}; default ${key.default || "none"})`;
    command.addOption(new Option(`--${key.name} ${key.placeholder}`.trim(), help).helpGroup(`${key.group}:`));
  }
  command.addOption(
    new Option("--config <file>", "TOML file with any of these settings").helpGroup("Where:"),
  );
  command.action(async () => {
    try {
      await serve(flagsOf(command), version);
    } catch (error) {
      throw startFailureOf(error);
    }
  });
}

async function serve(flags: Sources["flags"], version: string): Promise<void> {
  keepHeapsClose();
  const sources = { flags, env: process.env };
  const { config, warnings } = loadConfig(sources);
  const pretty =
    config.logFormat === "pretty" || (config.logFormat === "auto" && process.stdout.isTTY === true);
  const opened = await openLog({ level: config.logLevel, format: pretty ? "pretty" : "json" });
  const { log } = opened;
  endOnDefect(log);
  const stop = Promise.withResolvers<NodeJS.Signals>();
  onStopSignals({
    first: stop.resolve,
    again: (signal) => {
      log("server.exit_now", { signal });
      process.exit(signal === "SIGINT" ? EXIT.INTERRUPTED : EXIT.TERMINATED);
    },
  });
  let reload: () => Promise<void> | undefined = () => undefined;
  const supervisor = await supervisorOf(log);
  onOtherSignals({
    reload: (signal) => {
      const done = reload();
      if (done === undefined) log("signal.ignored", { signal });
      void supervisor?.reloading(done);
    },
    abandoned: stop.resolve,
    spent: stop.resolve,
    ignored: (signal) => log("signal.ignored", { signal }),
  });
  keepDebuggerShut(() => log("signal.ignored", { signal: "SIGUSR1" }));
  log("server.starting", { version, node: process.version, pid: process.pid });
  for (const detail of warnings) log("config.warning", { detail });

  const server = await startServer(config, {
    telemetry: { log, metrics: new Metrics() },
    about: { version, warnings },
    env: process.env,
  });
  if (pretty) process.stdout.write(bannerOf(server, config, version));
  else log("server.ready", readyFields(server, config, version));
  reload = reloading(sources, config, server, opened);
  supervisor?.ready(`Serving on ${formatAddress(server.address)}.`);
  const unwatch = supervisor?.watch(() => server.threadsAnswer());

  const end = await Promise.race([
    stop.promise.then((signal) => ({ signal })),
    server.failed.then((err) => ({ err })),
  ]);
  unwatch?.(); // Threads end now.
  supervisor?.stopping();
  if ("err" in end) await endAfterFailure(server, end.err, log);
  else await endAsAsked(server, end.signal, log);
}

/** Loaded only where there is one. */
async function supervisorOf(log: Log): Promise<Supervisor | undefined> {
  if (!process.env.NOTIFY_SOCKET) return undefined;
  const { openSupervisor } = await import("./supervisor.ts");
  return openSupervisor(process.env, {
    pid: process.pid,
    monotonicUs: () => process.hrtime.bigint() / 1_000n,
    onUntold: (detail) => log("supervisor.untold", { detail }),
  });
}

async function endAsAsked(server: RunningServer, signal: NodeJS.Signals, log: Log): Promise<never> {
  log("server.draining", { signal });
  const closed = server.close().then(
    () => undefined,
    (err: unknown) => err,
  );
  const err = await Promise.race([closed, server.failed]);
  if (err !== undefined) return endAfterFailure(server, err, log);
  const kept = server.store.durability !== "none";
  log("server.stopped", { detail: kept ? "Every answered change is in the store." : GONE });
  process.exit(signal === "SIGXCPU" ? EXIT.SPENT : EXIT.OK); // So that a supervisor starts it again, with time of its own.
}

const GONE = "The store was in memory: every counter is gone.";

/** What was answered may still be on its way to the callers; whatever hangs after that is let go. */
async function endAfterFailure(server: RunningServer, err: unknown, log: Log): Promise<never> {
  log("store.failed", { err });
  setTimeout(() => process.exit(EXIT.STORE_FAILED), FLUSH_MS);
  await server.close(FLUSH_MS).catch(() => {}); // The failure is told already.
  process.exit(EXIT.STORE_FAILED);
}

/** With the end of the process itself it is a second. */
const FLUSH_MS = 800;

/** A defect may have left anything half done: end, and let the next start recover what is on disk. */
function endOnDefect(log: Log): void {
  process.on("uncaughtException", (err) => {
    log("server.failed", { err });
    process.exit(EXIT.DEFECT);
  });
}

/** Commander names options in camel case; settings have one name everywhere. */
function flagsOf(command: Command): Sources["flags"] {
  return Object.fromEntries(
    command.options.map((option) => [option.name(), command.opts()[option.attributeName()]]),
  );
}

const EXAMPLES = `Examples:
  tally serve                                       on 127.0.0.1:8080
  tally serve --listen 127.0.0.1:0 --store memory:  keeps nothing
  tally serve --config tally.toml                   settings from a file
  tally serve --tls-cert-file cert.pem --tls-key-file key.pem
`;

const PRECEDENCE = `
Each setting can also be an environment variable (--log-level is ${variableOf("log-level")}) or a line of the
TOML file (log-level = "info"). Flags come first, then the environment, then the file.`;
