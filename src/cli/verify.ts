import type { Command } from "commander";
import type { Verification, VerifyProgress } from "../service/store-findings.ts";
import { addServerOptions, type Printing, withServer } from "./client-command.ts";
import { counted, figure } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { backupNamed, drawn, stoppable } from "./long-work.ts";
import { type Format, Output } from "./output.ts";
import { verificationView } from "./verification.ts";
import { type FromServer, verifyFromServer } from "./verify-from-server.ts";

/** `tally verify`: look at everything that a store keeps, or that is in a backup. */
export function define(command: Command): void {
  command
    .argument("[file]", "a backup, as `tally backup` made it; - for standard input")
    .option("--store <url>", "a store, whose files are read: sqlite:PATH")
    .option("--scratch <folder>", "where a backup is unpacked (beside it; of -: TMPDIR, or /tmp)")
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT));
  addServerOptions(command, PRINTING);
  command.action(async (file: string | undefined, options: Options, ...rest: unknown[]) => {
    const { store, server, scratch } = options;
    const named = [file, store, server].filter((each) => each !== undefined);
    if (named.length > 1)
      throw new CommandError(
        EXIT.USAGE,
        "Name one of these: a backup, with --store a store whose files are read, or with --server a server.",
      );
    if (scratch !== undefined && file === undefined)
      throw new CommandError(EXIT.USAGE, "--scratch is where a backup is unpacked, and none is named.");
    if (file !== undefined || store !== undefined) return verdictOf(await run(file, options));
    return withServer([options, ...rest], PRINTING, async (session, _, from: FromServer) =>
      verdictOf(await verifyFromServer(session, from)),
    );
  });
}

const PRINTING: Printing = {
  format: "table",
  formats: ["table", "json", "yaml"],
  timeout: { about: "how long a server may say nothing", default: "1m", max: "24h" },
  endsItself: true,
};

/** @throws CommandError  when anything was found */
function verdictOf({ store, findings, more }: Verification): void {
  if (findings.length === 0) return;
  throw new CommandError(
    EXIT.STORE_UNUSABLE,
    `${counted(findings.length + more, "finding")}: ${store} is not as it was written.`,
  );
}

interface Options {
  readonly store?: string;
  readonly server?: string;
  readonly scratch?: string;
  readonly output: Format;
  readonly quiet?: boolean;
}

async function run(
  file: string | undefined,
  { store, scratch, output: format, quiet = false }: Options,
): Promise<Verification> {
  const { verifyBackup, verifyStore } = await import("../file-tools.ts");
  const output = new Output(format, quiet);
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const startedAt = performance.now();
  const verification = await stoppable(live, (signal) => {
    const onProgress = ({ part, rows }: VerifyProgress) => draw(() => `verifying ${part}: ${figure(rows)}`);
    const options = { signal, onProgress };
    return file === undefined
      ? verifyStore(store!, options)
      : verifyBackup(backupNamed(file, signal), scratch, options);
  });
  await output.record(verificationView(verification, store, performance.now() - startedAt));
  return verification;
}

const EXAMPLES = `Examples:
  tally verify --store sqlite:./tally.db           also while a server has it
  tally verify --server https://db1.example:8080   a server's, by its help
  tally verify /backup/tally-0600.tar              a backup
  age -d tally.tar.age | tally verify -            the same, from a pipe
`;

const ABOUT = `
Looks at everything that a file, or a server, has: that each row has its checksum and that what leads to it does (names, labels, due times), at the
answers kept under request ids, that the changes of each counter lead to its value, and that its history has the changes
that the change log has. Of a file that nobody serves also at what SQLite says of its pages.

With --store it asks no server, needs no API key, and reads the files: run it as the server's user. Without, and without a
backup, a server has its store looked at, by a process beside it: that needs the permission admin (and \`auth\` to be on), and
one at a time is.

Only reads, and gives way to everybody else. A server may have the file; when it ends meanwhile, this ends too, so
that it can start again. While the
change log is read, a server's WAL grows by what is written: from 2 GiB on it is given up.

Each finding has a code, the counter's name, and what mends it, or "restore": from a backup. Of what is damaged a server
serves nothing; all else it does.

Exit codes: 0 nothing found, 2 usage, 4 the server could not, 5 not allowed, 65 findings, or a file that is not to be
looked at, 69 no server, or the one that looked went meanwhile, 73 it cannot be opened, 74 of --store, its server ended
meanwhile, 124 it said nothing, 130 Ctrl-C.`;
