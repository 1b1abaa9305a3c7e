/** Servers for tests of commands, and what such a server says to a client of its own. */
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { CallError } from "../../../src/client/call-error.ts";
import { RPC, TallyClient } from "../../../src/client/client.ts";
import { ServerProcess } from "../../proofs/crash/server-process.ts";
import { freePort } from "../../support/free-port.ts";
import { inMemory } from "../serving.ts";
import { folder } from "./tally.ts";

/** A server in memory, and what it knows. */
export async function running() {
  const server = await inMemory();
  onTestFinished(() => server.close());
  const address = `127.0.0.1:${server.address.port}`;
  return { ...askingAt(address), piped: { ...envOf(address), stdin: "pipe" as const }, env: envOf(address) };
}

/** A server on a file, that can be killed and started again. */
export async function restartable() {
  const [port, file] = [await freePort(), join(folder(), "tally.db")];
  let server = new ServerProcess({ port, store: `sqlite:${file}` });
  await server.ready();
  onTestFinished(async () => {
    if (server.running) await server.kill();
  });
  const address = `127.0.0.1:${port}`;
  return {
    ...askingAt(address),
    address,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    start: async () => {
      server = new ServerProcess({ port, store: `sqlite:${file}` });
      await server.ready();
    },
  };
}

function envOf(address: string) {
  return { env: { TALLY_SERVER: address } };
}

/** The server as a client of its own sees it, without a start of Node.js for each question. */
function askingAt(address: string) {
  const client = new TallyClient({ server: address });
  onTestFinished(() => client.close());
  const value = async (name: string) => {
    try {
      return (await client.call(RPC.getCounter, { name })).counter!.value;
    } catch (error) {
      if (error instanceof CallError && error.reason === "COUNTER_NOT_FOUND") return undefined;
      throw error;
    }
  };
  return {
    client,
    /** The value of each counter; undefined for one that is not there. */
    values: (...names: string[]) => Promise.all(names.map(value)),
    /** Resolves when the counter has this value. */
    async has(name: string, wanted: bigint) {
      while ((await value(name)) !== wanted) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
}
