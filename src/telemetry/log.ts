import type { destination } from "pino";
import type { Log, LogFields } from "../telemetry.ts";
import { LOG_EVENTS, type LogLevel } from "./log-events.ts";

/** A log that is written. */
export interface OpenLog {
  readonly log: Log;
  /** The least important events that are written from now on. */
  setLevel(level: LogLevel): void;
}

/**
 * Open the log: one JSON object a line, or coloured lines for people.
 *
 * It goes to stdout, as container runtimes and journals expect of a service's events, and nothing else does when
 * the format is json: so `tally serve | jq` works. What a person is told who started it wrongly goes to stderr.
 *
 * Lines are written synchronously, because the one before the end of the process matters most; there is none per
 * call that is let in, unless somebody asks for that (access-log), and of those that are not ten a second, so callers do
 * not pay.
 *
 * @param options.format  "json", or "pretty" (loads pino-pretty, which json need not pay for)
 * @param options.fields  put into every line
 */
export async function openLog(options: {
  level: LogLevel;
  format: "json" | "pretty";
  fields?: LogFields;
}): Promise<OpenLog> {
  const { pino } = await import("pino");
  const destination = options.format === "pretty" ? await openPretty() : openStdout(pino.destination);
  const logger = pino(
    {
      level: options.level,
      base: options.fields ?? null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: (error) => withTextCause(pino.stdSerializers.err(error), error) },
    },
    destination,
  );
  return {
    log(event, fields = {}) {
      const [level, text] = LOG_EVENTS[event];
      if (logger.isLevelEnabled(level)) logger[level]({ event, ...fields }, text);
    },
    setLevel(level) {
      logger.level = level;
    },
  };
}

/** A line that cannot be written (its disk is full, its reader or its terminal has gone) is no reason to stop counting. */
function openStdout(open: typeof destination): ReturnType<typeof destination> {
  const stdout = open({ dest: 1, sync: true, maxLength: UNWRITTEN_BYTES_MAX });
  stdout.on("error", () => {});
  return stdout;
}

/** What waits for a disk to have room again; more is dropped. */
const UNWRITTEN_BYTES_MAX = 2 ** 20;

/** An error that crossed a thread has its cause as text, which pino leaves out. */
function withTextCause(written: object, error: unknown): object {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === "string" ? { ...written, cause } : written;
}

async function openPretty() {
  const [{ default: pretty }, { destination: open }] = await Promise.all([
    import("pino-pretty"),
    import("pino"),
  ]);
  return pretty({
    destination: openStdout(open),
    colorize: process.stdout.isTTY === true && !process.env.NO_COLOR,
    ignore: "event,pid,version",
    translateTime: "SYS:HH:MM:ss",
    singleLine: true,
  });
}
