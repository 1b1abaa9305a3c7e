import type { Command } from "commander";
import { RPC, type TallyClient } from "../client/client.ts";
import { onServer, type Session } from "./client-command.ts";
import { openProgress } from "./count/progress.ts";
import { counted } from "./count/summary.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { notes } from "./help.ts";
import { mib } from "./long-work.ts";
import { labelOption, type RequestOptions } from "./requests.ts";
import { FILE_FORMATS, type FileFormat, headOf, lineOf } from "./transfer/formats.ts";
import { PartFile, type Place } from "./transfer/part-file.ts";
import { recordOf } from "./transfer/record.ts";
import { visible } from "./visible.ts";

/** `tally export`: counters with their settings into a file, which `tally import` takes. */
export function define(command: Command): void {
  command
    .option("--prefix <prefix>", "only counters whose name begins so (default: all)")
    .addOption(labelOption("only counters with this label, or with all of them"))
    .option("--to <file>", "the file to make; - for standard output", "-")
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "ndjson", formats: FILE_FORMATS, timeout: TIMEOUT, ownFigures: true }, run);
  command.addHelpText("after", notes(ABOUT));
}

interface Options extends Pick<RequestOptions, "label"> {
  readonly prefix?: string;
  readonly to: string;
  readonly timeout: number;
}

async function run({ client, output }: Session, _: [], options: Options): Promise<void> {
  const { prefix = "", label: labels = {}, to, timeout: timeoutMs } = options;
  if (to === "")
    throw new CommandError(EXIT.USAGE, "--to: expected a file to make, or - for standard output.");
  const format = output.format as FileFormat;
  const asked = { prefix, labels };
  const target = await openTarget(to, JSON.stringify({ format, ...asked, server: client.server }));
  const { counters: before } = target.place;
  if (before > 0) output.note(`Going on after ${counted(before, "counter")}, which ${to}.part has.`);
  const startedAt = performance.now();
  let { pageToken, counters, corrupt } = target.place;
  const progress = openProgress(process.stderr, { quiet: output.quiet, live: true });
  const total = process.stderr.isTTY && !output.quiet ? await countOf(client, asked, timeoutMs) : undefined;
  progress.start(() => ({ lines: counters, bytes: counters }), total, "counter");
  try {
    if (pageToken === "") await target.append(headOf(format));
    do {
      const request = { ...asked, pageSize: PAGE_SIZE_MAX, pageToken };
      const page = await client.call(RPC.listCounters, request, PATIENT);
      await target.append(page.counters.map((counter) => lineOf(format, recordOf(counter))).join(""));
      ({ nextPageToken: pageToken } = page);
      counters += page.counters.length;
      corrupt = [...corrupt, ...page.corruptNames];
      if (pageToken !== "") await target.reach({ pageToken, counters, corrupt }); // Without one it would begin anew.
    } while (pageToken !== "");
    await target.finish();
  } finally {
    progress.end();
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  output.note(`Exported ${counted(counters, "counter")}, ${mib(target.bytes)}, in ${seconds} s.`);
  for (const name of corrupt)
    report(`${name} is not in it: what is stored of it is damaged; restore it from a backup.`);
  if (corrupt.length > 0) throw new CommandError(EXIT.FAILURE, undefined);
}

/** Where an export goes, and how far it is there. */
type Target = Pick<PartFile, "place" | "bytes" | "append" | "reach" | "finish">;

async function openTarget(to: string, of: string): Promise<Target> {
  if (to !== "-") return seldom(await PartFile.open(to, of));
  const target = {
    place: { pageToken: "", counters: 0, corrupt: [] },
    bytes: 0,
    reach: async () => {},
    finish: async () => {},
    append: (written: string) =>
      new Promise<void>((resolve) => {
        const text = process.stdout.isTTY
          ? written
              .split(/(?<=\n)/)
              .map(shown)
              .join("")
          : written;
        target.bytes += Buffer.byteLength(text);
        process.stdout.write(text, (error) => (error ? undefined : resolve())); // What fails ends the process: main.ts.
      }),
  };
  return target;
}

/** A line, without the power to move the terminal's cursor. */
function shown(line: string): string {
  return `${visible(line.trimEnd())}\n`;
}

/** To have each page on disk before the next would take longer than to read them. */
function seldom(file: PartFile): Target {
  let at = performance.now();
  return {
    place: file.place,
    get bytes() {
      return file.bytes;
    },
    append: (text) => file.append(text),
    finish: () => file.finish(),
    reach: async (place: Place) => {
      if (performance.now() - at < REACHED_EACH_MS) return;
      await file.reach(place);
      at = performance.now();
    },
  };
}

const REACHED_EACH_MS = 500;

async function countOf(client: TallyClient, asked: object, timeoutMs: number): Promise<number> {
  const { count } = await client.call(RPC.sumCounters, asked, { ...PATIENT, timeoutMs });
  return Number(count);
}

/** A server that is started again meanwhile is waited for, as long as --timeout says. */
const PATIENT = { attemptsMax: Number.POSITIVE_INFINITY };

const TIMEOUT = {
  about: "give up when nothing was answered for this long",
  default: "60s",
  max: "30m",
};

const PAGE_SIZE_MAX = 1_000;

const EXAMPLES = `Examples:
  tally export --to counters.ndjson
  tally export --prefix shop: --label team=web -o csv --to shop.csv
  tally export | gzip > counters.ndjson.gz
  tally export -o csv | cut -d, -f1,2      names and values
`;

const ABOUT = `
A line a counter, by name: its value, every setting that can be given to one, and what it was (uid, revision, times, the
policy it follows). Numbers are decimal text, exact to the last digit. \`tally import\` takes both formats.

Up to a thousand counters at a time are as of one moment; the file as a whole is of the time that it takes. For all as of
one moment, and with the history, the change log and the keys: tally backup.

With --to FILE, FILE has its name once it is whole. Until then it is FILE.part, and FILE.part.state says how far it is:
after kill -9, too, the same command goes on there. Nothing is written over. What goes to standard output begins anew.`;
