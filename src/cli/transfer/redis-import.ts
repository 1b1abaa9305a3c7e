import { CallSink } from "./call-sink.ts";
import { DrySink } from "./dry-sink.ts";
import type { ImportSession } from "./import-session.ts";
import { faultOfName } from "./record.ts";
import { type KeyRow, openRedis, type RedisKeys } from "./redis.ts";
import { hashOf } from "./sink.ts";

/**
 * Import the counters of a Redis. SCAN knows no order, so each key is imported by itself, under a request id of its own:
 * a run after this one imports those that this one has not, also when Redis has counted on since.
 *
 * @throws CallError when the server takes no more; CommandError when Redis fails
 */
export async function importRedis(session: ImportSession, keys: RedisKeys): Promise<void> {
  const { client, options, imported, progress, stop } = session;
  const { dryRun, existing, note = "", importId, prefix } = options;
  const redis = await openRedis(keys);
  try {
    const keep = existing === "keep";
    const sink = dryRun
      ? new DrySink(client, imported, keep)
      : new CallSink(session, {
          ...{ keep, note },
          hashOf: ({ name }) => hashOf("redis", redis.identity, importId, name),
        });
    progress.start(() => ({ lines: imported.all, bytes: imported.all }), redis.total, "counter");
    const rows = redis.rows();
    for (;;) {
      const some = await rows.next().catch(async (error: unknown) => {
        await sink.stop(); // What was read of it is imported, and told.
        throw error;
      });
      if (some.done) break;
      for (const found of some.value) {
        if (stop.aborted) return await sink.stop();
        const row = named(found, prefix);
        if ("fault" in row) imported.faults.add(row.reason, 1, () => `${row.at}: ${row.fault}.`);
        else await sink.add(row);
      }
    }
    await sink.finish();
  } finally {
    redis.close();
  }
}

/** The same, called with the prefix before it; unfit, when no counter can be called so. */
function named(row: KeyRow, prefix: string): KeyRow {
  if ("fault" in row) return row;
  const fault = faultOfName(row.name, prefix);
  return fault === undefined
    ? { ...row, name: prefix + row.name }
    : { at: row.at, reason: "BAD_NAME", fault };
}
