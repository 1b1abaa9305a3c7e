/**
 * One PostgreSQL server for all tests of a run. It is started when the first of them asks for it, because most runs
 * of a few files need none, and ends with the run.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { TestProject } from "vitest/node";
import { folderInMemory } from "../folder.ts";
import { PostgresServer } from "./server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where to ask for the server: whoever connects is told its port, or why there is none, as JSON. */
    readonly postgresStarter: number;
  }
}

export type StarterAnswer = { readonly port: number } | { readonly error: string };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<PostgresServer> | undefined;
  const starter = createServer(async (socket) => {
    socket.on("error", () => {}); // Who asked has gone.
    starting ??= PostgresServer.start({}, folderInMemory());
    const answer = await starting.then(
      ({ port }): StarterAnswer => ({ port }),
      (error): StarterAnswer => ({ error: String(error) }),
    );
    socket.end(JSON.stringify(answer));
  });
  starter.listen(0, "127.0.0.1");
  await once(starter, "listening");
  project.provide("postgresStarter", (starter.address() as AddressInfo).port);
  return async () => {
    starter.close();
    const server = await starting?.catch(() => undefined); // The tests have said it.
    await server?.dispose();
  };
}
