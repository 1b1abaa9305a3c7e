/**
 * npm run test:rotations [-- --rounds N]
 *
 * Goal: credentials are rotated under load without an outage. No call of who holds a good one fails; and of one that has
 * ended no call that is begun five seconds later is let in, on any instance, streams included.
 *
 * Method: two instances on one PostgreSQL, one of each `http2-engine`, over TLS; where there is no PostgreSQL, one on SQLite.
 * Callers call all the time, unary over gRPC and REST, on connections that stay and on new ones, and by streams, with each
 * kind of credential. In each round all of these are rotated at once: an API key (a new one is made, callers change to it,
 * the old one is revoked, and with it the tokens that it has minted); the root key (its file has two lines, then one, with
 * SIGHUP); the authority of clients' certificates and the server's own certificate (SIGHUP); the keys of an issuer of OIDC
 * (without an end that is promised: its old tokens are not revoked). Beside that capability tokens of a few seconds expire one
 * after another. Those with the old ones go on calling until the end of the round. In the end each counter must have what was
 * answered, and the callers on new connections must have met the server's newest certificate.
 *
 * An issuer's keys that nobody was told of before can be rotated once a minute: two of its rotations come in the first two
 * rounds, others a minute apart. In CI: `npm run test:rotations -- --rounds 2`. It needs openssl.
 */
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Issuer } from "../../guard/tokens/issuer.ts";
import { authority } from "../../support/certificates.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { pause } from "../crash/server-process.ts";
import { Crowd } from "./crowd.ts";
import { LATE_MAX_MS, Ledger } from "./ledger.ts";
import { introduce, rotatingCertificates, rotatingIssuer, rotatingKey, rotatingRoot } from "./rotating.ts";
import { Site } from "./site.ts";
import { expireInTurn, Turn } from "./turn.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "10" } } });
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 2)
  throw new TypeError("expected a whole number of --rounds from 2");

/** How long those with a credential that has ended go on: longer than they may be let in. */
const OBSERVED_MS = LATE_MAX_MS + 1_500;
const startedMs = performance.now();
const ledger = new Ledger();
const { faults } = ledger;
const closing: (() => unknown)[] = [];
try {
  await run();
} finally {
  for (const close of closing.reverse()) await close();
}

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tally-rotations-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const issuer = await Issuer.open();
  closing.push(() => issuer[Symbol.asyncDispose]());
  const clients = authority();
  const keysOfIssuer = await rotatingIssuer(issuer);
  const { store, engines, told } = await storeIn(folder);
  console.log(told);
  const site = await Site.start(folder, { store, engines, issuer: issuer.url, clients: clients.ca });
  closing.push(() => site.kill());
  const mint = await introduce(site);
  const crowd = new Crowd(site, ledger);
  const certificates = rotatingCertificates(site, clients);
  closing.push(() => certificates[Symbol.dispose]());
  const of = {
    "API key": rotatingKey(site),
    "root key": rotatingRoot(site),
    certificates,
    "keys of an issuer": keysOfIssuer,
  };
  const turns = Object.entries(of).map(
    ([name, rotation]) => [name, new Turn(rotation, site, crowd, ledger)] as const,
  );
  const all = (what: (turn: Turn) => Promise<void>) => Promise.all(turns.map(([, turn]) => what(turn)));

  const over = new AbortController();
  const expiring = expireInTurn(mint, crowd, over.signal);
  closing.push(async () => {
    over.abort();
    await expiring.catch(() => {}); // Who waits for it is told; after another failure it does not matter.
  });
  await all((turn) => turn.renew());
  for (let round = 1; round <= rounds; round++) {
    await all((turn) => turn.renew());
    await all((turn) => turn.end());
    await pause(OBSERVED_MS);
    await all((turn) => turn.stopBefore());
    if (round % 5 === 0) console.log(`${round} rounds`);
  }
  over.abort();
  const expired = await expiring;
  await all((turn) => turn.stop());

  const { serialNumber } = new X509Certificate(site.certificate);
  for (const [port, serial] of crowd.shown)
    if (serial !== serialNumber) faults.push(`${port} shows its old certificate to new connections`);
  for (const [name, { rotated }] of turns)
    if (rotated < 2) faults.push(`${name} were rotated ${rotated} times, expected 2 at least`);
  if (expired < 2) faults.push(`${expired} tokens expired, expected 2 at least`);
  const counters = await crowd.compare();
  faults.push(...(await site.stop()));
  report(turns, expired, `${counters} counters have what was answered`);
}

async function storeIn(folder: string) {
  if (!POSTGRES.here) {
    const told = `1 instance on SQLite: for two, PostgreSQL is needed (${POSTGRES.install})`;
    return { store: `sqlite:${join(folder, "tally.db")}`, engines: ["grpc-js"], told };
  }
  const postgres = await PostgresServer.start();
  closing.push(() => postgres.dispose());
  const engines = ["grpc-js", "own"];
  return { store: postgres.url(), engines, told: `2 instances on one PostgreSQL: ${engines.join(", ")}` };
}

function report(turns: readonly (readonly [string, Turn])[], expired: number, counters: string): void {
  for (const [name, { rotated, knownMs }] of turns)
    console.log(
      `${name.padEnd(20)} rotated ${rotated} times; new ones known everywhere within ${knownMs} ms`,
    );
  console.log(`${"tokens".padEnd(20)} ${expired} expired`);
  for (const [kind, { answered, refused, latestMs }] of ledger.kinds)
    console.log(
      `${kind.padEnd(20)} ${answered} calls answered, ${refused} refused after its end; let in ${latestMs} ms after it at the latest`,
    );
  console.log(`${counters}; ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
  for (const fault of faults.slice(0, 50)) console.log(fault);
  console.log(faults.length === 0 ? "PASS" : `FAIL: ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
