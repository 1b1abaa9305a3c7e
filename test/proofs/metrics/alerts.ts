/**
 * npm run test:alerts
 *
 * Goal: alerts of deploy/prometheus fire when what they are about really happens, and clear once it is mended.
 *
 * Method: a Prometheus with a copy of the rules in which all times are seconds, and nothing else is different, scrapes a
 * server whose files are on a small disk, and one with a certificate. Callers count all the while. Then one fault comes
 * after the other, each a real one: a certificate that ends, a disk that fills and is full, more calls than fit, another
 * program that has the history's file locked, or the data file, a server that is killed. What is to fire must, and all
 * must be quiet before the next.
 *
 * It needs prometheus, promtool, openssl, and may mount (root). What has no fault here is tested by promtool alone:
 * TallyRequestIdsForgottenEarly, TallyRowsDamaged, TallyCallersUnread.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import Database from "better-sqlite3";
import {
  BatchApplyRequestSchema,
  CounterService,
  IncrementRequestSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { freePort } from "../../support/free-port.ts";
import { Connection } from "../crash/connection.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { needPrometheus, Prometheus } from "./prometheus.ts";

needPrometheus();

/** On a busy machine. */
const PATIENCE_MS = 240_000;
const DISK_MIB = 320;

const folder = mkdtempSync(join(tmpdir(), "tally-alerts-"));
const disk = join(folder, "disk");
const [port, observed, tlsPort, tlsObserved, web] = [
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
];
const [ON_DISK, WITH_TLS] = [`127.0.0.1:${observed}`, `127.0.0.1:${tlsObserved}`];
const faults: string[] = [];
let server: ServerProcess | undefined;
let withTls: ServerProcess | undefined;
let prometheus: Prometheus | undefined;
let over = false;
const callers: Promise<void>[] = [];
mkdirSync(disk);
execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", disk]);
try {
  const rules = join(folder, "tally.rules.yml");
  writeFileSync(
    rules,
    hurried(readFileSync(new URL("../../../deploy/prometheus/tally.rules.yml", import.meta.url), "utf8")),
  );
  certificate(2);
  server = serve();
  withTls = new ServerProcess({
    ...{ port: tlsPort, store: "memory:" },
    flags: [
      ...["--metrics-listen", WITH_TLS, "--tls-cert-file", join(folder, "cert.pem")],
      ...["--tls-key-file", join(folder, "key.pem")],
    ],
  });
  await Promise.all([server.ready(), answers(tlsObserved)]);
  const targets = [observed, tlsObserved];
  prometheus = await Prometheus.start({ folder, web, targets, everyMs: 500, rules });
  callers.push(counting(), counting());

  await during("a certificate ends", [`TallyCertificateEnds ${WITH_TLS}`]);
  certificate(60);
  process.kill(withTls.pid, "SIGHUP");
  await quiet("a certificate was renewed");

  const filler = join(disk, "filler");
  await during("a disk fills", onDisk("DiskFillsSoon", "DiskFull"), () => fill(filler, 8));
  await during("a disk is full", onDisk("DiskFull", "NotReady", "CommitsFail", "CallsFail"), () =>
    fill(filler, DISK_MIB),
  );
  rmSync(filler);
  await quiet("there is room again");

  await during("too many calls come", onDisk("Overloaded"), flood);
  await quiet("fewer calls come");

  const history = locked(join(disk, "tally.db-history"));
  await during("another program has the history locked", onDisk("HistoryLags"));
  history.close();
  await quiet("the history is free again");

  const data = locked(join(disk, "tally.db"));
  // Whoever waits for an answer before the next call may come in step with all others: nobody waits then for the next commit.
  await during("another program has the data file locked", onDisk("QueueOld", "CallsSlow"), oneMore);
  data.close();
  await quiet("the data file is free again");

  await server.kill();
  await during("a server was killed", onDisk("Down"));
  server = serve();
  await server.ready();
  await quiet("it was started again");
} finally {
  over = true;
  prometheus?.kill();
  await Promise.allSettled([server?.stop(), withTls?.stop(), ...callers]);
  spawnSync("umount", ["-l", disk]);
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${faults.length} faults`);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

/** The rules, in which hours and minutes are seconds, and so long is not waited for what is to be slow. */
function hurried(text: string): string {
  const changed: readonly (readonly [RegExp, string])[] = [
    [/for: \d+[mh]$/gm, "for: 1s"],
    [/\[(5|10)m\]/g, "[5s]"],
    [/\[1h\]/g, "[5s]"],
    [/, 4 \* 3600\)/g, ", 30)"],
    [/tally_history_lag_seconds > 300/g, "tally_history_lag_seconds > 4"],
  ];
  return changed.reduce((before, [from, to]) => {
    const after = before.replace(from, to);
    if (after === before) throw new Error(`the rules have no ${from} any more`);
    return after;
  }, text);
}

function serve(): ServerProcess {
  return new ServerProcess({
    ...{ port, store: `sqlite:${join(disk, "tally.db")}` },
    flags: ["--metrics-listen", ON_DISK],
  });
}

function onDisk(...names: readonly string[]): string[] {
  return names.map((name) => `Tally${name} ${ON_DISK}`);
}

/** While something is wrong, each of these must fire. @param meanwhile  is done again and again until they do */
async function during(
  what: string,
  expected: readonly string[],
  meanwhile: () => Promise<void> = () => pause(100),
): Promise<void> {
  const missing = new Set(expected);
  const seen = new Set<string>();
  for (const deadline = Date.now() + PATIENCE_MS; missing.size > 0 && Date.now() < deadline; ) {
    await meanwhile();
    for (const alert of await prometheus!.firing()) {
      missing.delete(alert);
      seen.add(alert);
    }
  }
  console.log(`${what}: ${[...seen].map((each) => each.split(" ")[0]).join(", ")}`);
  if (missing.size > 0) faults.push(`${what}, and these did not fire: ${[...missing].join(", ")}`);
}

/** Nothing fires any more. */
async function quiet(what: string): Promise<void> {
  let firing: string[] = [];
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await pause(200)) {
    firing = await prometheus!.firing();
    if (firing.length === 0) return;
  }
  faults.push(`${what}, and these fire still: ${firing.join(", ")}`);
}

/** Somebody who counts, whatever comes. */
async function counting(): Promise<void> {
  while (!over) {
    try {
      const connection = await Connection.open(port);
      while (connection.usable && !over) {
        await increment(connection);
        await pause(20);
      }
    } catch {
      await pause(100); // It is away, which is what some of this is about.
    }
  }
}

/** One call more, and the next in a tenth of a second, whether or not this one is answered by then. */
async function oneMore(): Promise<void> {
  void once().catch(() => {}); // It may be away.
  await pause(100);
}

function increment(connection: Connection): Promise<unknown> {
  return connection.call(CounterService.method.increment, create(IncrementRequestSchema, { name: "visits" }));
}

async function once(): Promise<void> {
  const connection = await Connection.open(port);
  try {
    await increment(connection);
  } finally {
    connection.close();
  }
}

/** More work at once than is done in the time that a call may wait. */
async function flood(): Promise<void> {
  const operations = Array.from({ length: 4_000 }, (_, i) => ({
    name: `flood.${i}`,
    action: { case: "increment" as const, value: 1n },
  }));
  const request = create(BatchApplyRequestSchema, { operations });
  const connection = await Connection.open(port);
  await Promise.allSettled(
    Array.from({ length: 40 }, () => connection.call(CounterService.method.batchApply, request)),
  );
  connection.close();
}

/** Take some of the room on the disk, as far as there is any. */
async function fill(file: string, mib: number): Promise<void> {
  const piece = Buffer.alloc(2 ** 20);
  for (let i = 0; i < mib; i++) {
    try {
      appendFileSync(file, piece);
    } catch {
      break; // It is full.
    }
  }
  await pause(200);
}

/** A file of SQLite into which another program is about to write, and does not. */
function locked(file: string): { close(): void } {
  const db = new Database(file);
  db.exec("BEGIN IMMEDIATE");
  return {
    close() {
      db.exec("ROLLBACK");
      db.close();
    },
  };
}

function certificate(days: number): void {
  const [key, cert] = [join(folder, "new.key"), join(folder, "new.pem")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-subj", "/CN=tally", "-addext", "subjectAltName=DNS:localhost", "-days", `${days}`],
      ...["-out", cert, "-keyout", key],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  copyFileSync(key, join(folder, "key.pem"));
  copyFileSync(cert, join(folder, "cert.pem"));
}

async function answers(at: number): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await pause(100)) {
    const response = await fetch(`http://127.0.0.1:${at}/livez`).catch(() => undefined);
    if (response?.ok) return;
    if (Date.now() > deadline) throw new Error(`nothing serves on ${at}`);
  }
}
