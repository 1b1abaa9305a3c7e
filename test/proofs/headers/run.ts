/**
 * npm run test:headers [-- --heads N] [--seed N] [--engine grpc-js|own]
 *
 * Goal: no head opens what it should not, and none ends or fills the server. Whatever a credential is made into, its sender is
 * refused, unless it is a good one still; and whoever has a good one is answered beside that.
 *
 * Method: 100,000 heads, unless told otherwise, that are almost those of somebody who may call: API keys, the root key and
 * capability tokens, of which bits are flipped, that are cut, repeated, spliced, signed by nobody, too large, given twice or
 * with octets that no credential has; X-Forwarded-For, which a trusted proxy may set, likewise. A part of them each over
 * HTTP/1.1 (a bare socket) and HTTP/2 (node:http2), to a server with `auth = "required"` of each `http2-engine`. Whether one is
 * good still is judged apart from the server. Each other one must be answered with 400, 401, 403, 429 or 431, or what gRPC
 * has for it, or with the end of its stream or connection. Another client counts all the time, and must be answered each time.
 * The server's memory is held against what it was after a tenth of the heads: what is alive in it when it was swept may be 64
 * MiB more; and all that it has (VmRSS), which V8 lets grow to some 330 MiB before it sweeps enough by itself, 256 MiB.
 *
 * In CI: `npm run test:headers -- --heads 10000`. It takes Linux, for /proc.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { IncrementRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { apiKeyFromText } from "../../../src/guard/api-key.ts";
import { mintCapability } from "../../../src/guard/tokens/mint.ts";
import { freePort } from "../../support/free-port.ts";
import { freshSeed, type Random, seededRandom } from "../crash/random.ts";
import { ServerProcess } from "../crash/server-process.ts";
import { Beside } from "./beside.ts";
import { memoryOf, TELLS_ALIVE } from "./memory.ts";
import { Mutations } from "./mutations.ts";
import { overHttp1, overHttp2, type Sender } from "./senders.ts";

const { values } = parseArgs({
  options: {
    heads: { type: "string", default: "100000" },
    seed: { type: "string" },
    engine: { type: "string" },
  },
});
const heads = Number(values.heads);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
if (![heads, seed].every(Number.isSafeInteger) || heads < 1_000)
  throw new TypeError("expected whole numbers for --heads, from 1,000, and --seed");

const ROOT = "root-key-of-the-proof-of-headers-0123456789";
const ENGINES = values.engine === undefined ? ["grpc-js", "own"] : [values.engine];
/** Connections at a time, of each protocol. */
const LANES = 8;
/** What may be more after the heads: of what is alive, and of all, with what V8 and the allocator keep of heads of 16 KiB. */
const ALIVE_MORE_MIB_MAX = 64;
const MORE_MIB_MAX = 256;
/** What says no. gRPC: INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED. */
const REFUSED = /^(HTTP (400|401|403|429|431)|gRPC (3|7|8|16)|ended)$/;
const LET_IN = /^(HTTP 200|gRPC 0)$/;

const faults: string[] = [];
console.log(`seed ${seed}`);
const random = seededRandom(seed);
for (const engine of ENGINES) await against(engine, random.fork());
for (const fault of faults.slice(0, 50)) console.log(fault);
console.log(faults.length === 0 ? "PASS" : `FAIL: ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function against(engine: string, random: Random): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tally-headers-"));
  writeFileSync(join(folder, "root"), ROOT);
  const port = await freePort();
  const flags = [
    ...["--auth", "required", "--root-key-file", join(folder, "root"), "--http2-engine", engine],
    ...["--trusted-proxies", "127.0.0.1"],
  ];
  const server = new ServerProcess({ port, store: "memory:", flags, preload: [TELLS_ALIVE] });
  try {
    await server.ready();
    const good = await credentials(port);
    const beside = new Beside(port, good[0]!, faults);
    const message = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "shop.a" }));
    const protocols = {
      "HTTP/1.1": [() => overHttp1(port, "/v1/counters/shop.a"), "all"],
      "HTTP/2": [() => overHttp2(port, "/tally.v1.CounterService/Increment", message), "of HTTP/2"],
    } as const;
    const send = (share: number) =>
      Promise.all(
        Object.entries(protocols).map(async ([protocol, [open, octets]]) => {
          const mutations = new Mutations(random.fork(), good, octets);
          return [
            protocol,
            await sendAll(open, mutations, (heads * share) / 4, `${engine}, ${protocol}`),
          ] as const;
        }),
      );
    await send(0.1);
    const before = await memoryOf(server);
    const told = await send(0.9);
    const after = await memoryOf(server);
    await beside.stop();
    for (const [protocol, answers] of told) console.log(`${engine}, ${protocol}: ${sentence(answers)}`);
    console.log(
      `${engine}: ${beside.answered} calls beside were answered; ${before.alive} MiB alive, then ${after.alive} (of ${before.resident}, then ${after.resident})`,
    );
    if (after.alive - before.alive > ALIVE_MORE_MIB_MAX || after.resident - before.resident > MORE_MIB_MAX)
      faults.push(`${engine}: its memory has grown`);
    if (beside.answered === 0) faults.push(`${engine}: nobody was answered beside`);
    const { code } = server.running ? await server.stop() : await server.exited;
    if (code !== 0) faults.push(`${engine}: the server ended with ${code}:\n${server.output}`);
  } finally {
    if (server.running) await server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An API key, a token that it has minted, and the root key. */
async function credentials(port: number): Promise<string[]> {
  const asked = async (path: string, body: object) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${ROOT}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as { readonly key: string };
  };
  await asked("admin/principals", { name: "shop", grants: ["read,increment@shop."] });
  const { key } = await asked("admin/principals/shop/keys", {});
  await asked("counters/shop.a:increment", {});
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const claims = { iss: "tally", exp, allow: ["read,increment@shop."], rate: { per_second: 1_000_000 } };
  return [key, await mintCapability(apiKeyFromText(key)!, claims), ROOT];
}

/** How often which answer came: of heads that are good still, "good HTTP 200" and so on. */
type Answers = Map<string, number>;

async function sendAll(
  open: () => Sender,
  mutations: Mutations,
  count: number,
  who: string,
): Promise<Answers> {
  const answers: Answers = new Map();
  let left = count;
  const lane = async () => {
    const sender = open();
    for (; left > 0; left--) {
      const fields = mutations.next();
      const isGood = mutations.isGood(fields);
      const answer = await sender.send(fields);
      const key = isGood ? `good ${answer}` : answer;
      answers.set(key, (answers.get(key) ?? 0) + 1);
      if (REFUSED.test(answer) || (isGood && LET_IN.test(answer))) continue;
      faults.push(`${who}: ${answer} to ${JSON.stringify(fields).slice(0, 1_000)}`);
    }
    sender.close();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return answers;
}

function sentence(answers: Answers): string {
  const sorted = [...answers].sort(([, a], [, b]) => b - a);
  return sorted.map(([answer, times]) => `${times} ${answer}`).join(", ");
}
