import type { Command } from "commander";
import type { Finding, Mend, Verification, VerifyProgress } from "../service/store-findings.ts";
import { counted, figure } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { backupNamed, drawn, stoppable } from "./long-work.ts";
import { type Format, Output, type View } from "./output.ts";
import { outputOption, quietOption } from "./output-options.ts";

/** `tally verify`: look at everything that a store keeps, or that is in a backup. */
export function define(command: Command): void {
  command
    .argument("[file]", "a backup, as `tally backup` made it; - for standard input")
    .option("--store <url>", "a store: sqlite:PATH")
    .option("--scratch <folder>", "where a backup is unpacked (beside it; of -: TMPDIR, or /tmp)")
    .addOption(outputOption(["table", "json", "yaml"]))
    .addOption(quietOption("print no progress"))
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(async (file: string | undefined, options: Options) => {
      const verification = await run(file, options);
      const { findings, more } = verification;
      if (findings.length === 0) return;
      throw new CommandError(
        EXIT.STORE_UNUSABLE,
        `${counted(findings.length + more, "finding")}: ${verification.store} is not as it was written.`,
      );
    });
}

interface Options {
  readonly store?: string;
  readonly scratch?: string;
  readonly output: Format;
  readonly quiet?: boolean;
}

async function run(
  file: string | undefined,
  { store, scratch, output: format, quiet = false }: Options,
): Promise<Verification> {
  if ((file === undefined) === (store === undefined))
    throw new CommandError(EXIT.USAGE, "Name one of both: a backup, or with --store a store.");
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
  await output.record(viewOf(verification, store, performance.now() - startedAt));
  return verification;
}

/** @param url  of the store; undefined of a backup */
function viewOf(verification: Verification, url: string | undefined, ms: number): View {
  const { store, served, counters, sum, commits, requestIds, historyRows, findings, more } = verification;
  const mends = findings.map((finding) => ({ ...finding, mend: mendOf(finding, url) }));
  return {
    json: {
      store,
      served,
      counters,
      sum: `${sum}`,
      commits,
      requestIds,
      historyRows: historyRows ?? null,
      findings: mends.map(({ code, name, about, mend }) => ({ code, name, about, mend })),
      more,
      seconds: Math.round(ms) / 1000,
    },
    value: `${findings.length + more}`,
    cells: {
      STORE: store,
      COUNTERS: figure(counters),
      SUM: `${sum}`,
      CHANGES: `in ${counted(commits, "commit")}`,
      "REQUEST IDS": figure(requestIds),
      HISTORY: historyRows === undefined ? "none" : counted(historyRows, "row"),
      FOUND:
        findings.length === 0
          ? "nothing: all of it is as it was written"
          : `${figure(findings.length + more)}:`,
      ...Object.fromEntries(
        mends.map(({ code, name, about, mend }, i) => [`${i + 1}`, `${code} ${name}: ${about}; ${mend}`]),
      ),
      ...(more > 0 && { "…": `and ${figure(more)} more` }),
      DONE: `in ${(ms / 1000).toFixed(1)} s${served ? ", beside its server" : ""}`,
    },
  };
}

/** What mends it, as a command or a clause; of a backup, in what is restored of it. */
function mendOf({ mend, name }: Finding, url = "URL"): string {
  switch (mend) {
    case "accept":
      return `if its row is right: tally accept --store ${url} ${name}`;
    case "accept gone":
      return `if it is to be gone: tally accept --store ${url} --gone`;
    default:
      return MENDS[mend];
  }
}

const MENDS: Readonly<Record<Exclude<Mend, "accept" | "accept gone">, string>> = {
  start: "the next start of the server sets it right",
  change: "its next change sets it right",
  use: "its next use sets it right",
  time: "it is forgotten in its time; until then that request is refused",
  restore: "restore",
};

const EXAMPLES = `Examples:
  tally verify --store sqlite:./tally.db              also while a server has it
  tally verify /backup/tally-0600.tar                 a backup
  age -d tally.tar.age | tally verify -               one that is never on a disk whole
`;

const ABOUT = `
Looks at everything: that each row has its checksum and that what leads to it does (names, labels, due times), at the
answers kept under request ids, that the changes of each counter lead to its value, and that its history has the changes
that the change log has. Of a file that nobody serves also at what SQLite says of its pages.

Only reads, and gives way to everybody else. A server may have the file; when it ends meanwhile, this ends too, so
that it can start again. While the
change log is read, a server's WAL grows by what is written: from 2 GiB on it is given up.

Each finding has a code, the counter's name, and what mends it, or "restore": from a backup. Of what is damaged a server
serves nothing; all else it does.

Exit codes: 0 nothing found, 2 usage, 65 findings, or a file that is not to be looked at, 73 it cannot be opened, 74
the server ended meanwhile, 130 Ctrl-C.`;
