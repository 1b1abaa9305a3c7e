import { counted, figure } from "../count/summary.ts";
import { CommandError, EXIT } from "../exit.ts";
import { BatchSink } from "./batch-sink.ts";
import { CallSink } from "./call-sink.ts";
import { DrySink } from "./dry-sink.ts";
import type { ImportSession } from "./import-session.ts";
import type { Row } from "./reading.ts";
import { hashOf, type Sink } from "./sink.ts";
import { openSource, readSource, type SourceFile } from "./source-file.ts";

/**
 * Import a file: read it whole, and when all of it is good (or the bad is to be passed over) once more, to import it.
 *
 * @throws CallError when the server takes no more; CommandError when the file cannot be imported
 */
export async function importFile(session: ImportSession, file: string): Promise<void> {
  const source = await openSource(file, session.stop);
  try {
    const digest = await looked(session, source);
    if (session.stop.aborted) return;
    await taken(session, source, digest);
  } finally {
    await source.close();
  }
}

/** Look at each line, and tell of those that are bad. @returns  the digest of the file */
async function looked(
  { options, imported, progress, stop }: ImportSession,
  source: SourceFile,
): Promise<string> {
  const reading = await readSource(source, options, stop);
  progress.start(() => ({ lines: reading.lines, bytes: reading.bytes }), source.bytes);
  let rows = 0;
  for await (const some of reading.rows) {
    rows += some.length;
    for (const row of some)
      if ("fault" in row) imported.faults.add("BAD_LINE", 1, () => `line ${row.line}: ${row.fault}.`);
  }
  if (rows === 0 && !stop.aborted) progress.print(`Nothing was read: ${source.name} has no counters.`);
  const bad = imported.faults.total;
  if (bad > 0 && !options.skipBad && !options.dryRun)
    throw new CommandError(
      EXIT.REFUSED,
      `${figure(bad)} of ${counted(rows, "line")} cannot be read, so nothing was imported. ` +
        "Mend them, or have them passed over with --skip-bad.",
    );
  return reading.digest();
}

async function taken(session: ImportSession, source: SourceFile, digest: string): Promise<void> {
  const { options, progress, stop } = session;
  const sink = sinkFor(session, digest);
  const reading = await readSource(source, options, stop);
  progress.start(() => ({ lines: reading.lines, bytes: reading.bytes }), source.bytes);
  for await (const rows of reading.rows) {
    for (const row of rows) {
      if (stop.aborted) return sink.stop();
      await take(row, sink);
    }
  }
  if (stop.aborted) return sink.stop();
  if (reading.digest() !== digest)
    throw new CommandError(
      EXIT.FAILURE,
      `${source.name} was changed while it was read. What was read of it by then may be imported.`,
    );
  await sink.finish();
}

async function take(row: Row, sink: Sink): Promise<void> {
  if ("fault" in row) return; // It was told.
  await sink.add({ ...row.wanted, at: `line ${row.line}` });
}

/** What takes the counters, as the options say. */
function sinkFor(session: ImportSession, digest: string): Sink {
  const { client, options, imported } = session;
  const { dryRun, existing, note = "", importId } = options;
  const keep = existing === "keep";
  if (dryRun) return new DrySink(client, imported, keep);
  const identity = ["file", digest, importId];
  if (!keep) return new BatchSink(session, identity, note);
  return new CallSink(session, {
    ...{ keep, note },
    hashOf: ({ at, name, value }) => hashOf(...identity, at, name, `${value}`),
  });
}
