/** The client over TLS: whom it trusts, and what is said when it does not. */
import { spawn } from "node:child_process";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { CallError } from "../../src/client/call-error.ts";
import { type ClientOptions, RPC, TallyClient } from "../../src/client/client.ts";
import { authority } from "../support/certificates.ts";
import { type Opened, open } from "../transports/door.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const { ca } = AUTHORITY;
const FILES = AUTHORITY.issue();

function client(server: string, options: Partial<ClientOptions> = {}): TallyClient {
  const made = new TallyClient({ server, ...options });
  onTestFinished(() => made.close());
  return made;
}

const increment = (calling: TallyClient) => calling.call(RPC.increment, { name: "visits" });

async function failureOf(call: Promise<unknown>): Promise<CallError> {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof CallError) return error;
  throw new Error("expected the call to fail", { cause: error });
}

async function serving(): Promise<Opened> {
  const opened = await open({ tls: { ...FILES, ca } });
  onTestFinished(() => opened[Symbol.asyncDispose]());
  return opened;
}

describe("a client over TLS", () => {
  it.for(["localhost", "127.0.0.1"])("counts on a server that it trusts, called %s", async (host) => {
    const { door } = await serving();
    const calling = client(`https://${host}:${door.port}`, { ca });
    expect((await increment(calling)).outcome?.value).toBe(1n);
    expect((await increment(calling)).outcome?.value).toBe(2n);
  });

  it("trusts nobody that the system does not, and says that nothing was sent, at once", async () => {
    const { door, store } = await serving();
    const failure = await failureOf(increment(client(`https://localhost:${door.port}`)));
    expect(failure).toMatchObject({ status: "UNAVAILABLE", untrusted: true, sent: false, unknown: false });
    expect(failure.message).toMatch(/certificate/);
    expect((await store.get(["visits"]))[0]).toBeUndefined();
  });

  it("hangs up on a certificate for another name", async () => {
    const other = AUTHORITY.issue("DNS:counters.example");
    await using opened = await open({ tls: { ...other, ca } });
    const failure = await failureOf(increment(client(`https://localhost:${opened.door.port}`, { ca })));
    expect(failure).toMatchObject({ untrusted: true, sent: false, unknown: false });
    expect(failure.message).toMatch(/localhost.*counters\.example/);
  });

  it("is not talked out of it by the environment", async () => {
    const { door } = await serving();
    const said = await inProcess(
      `https://localhost:${door.port}`,
      "client.call(RPC.getCounter, { name: 'a' }).catch((error) => console.log(error.untrusted))",
      { NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" },
    );
    expect(said).toBe("true\n");
  });

  it("trusts whom the system trusts", async () => {
    const { door } = await serving();
    const said = await inProcess(
      `https://localhost:${door.port}`,
      "console.log((await client.call(RPC.increment, { name: 'a' })).outcome.value)",
      { SSL_CERT_FILE: AUTHORITY.caFile }, // Where OpenSSL looks for the system's.
    );
    expect(said).toBe("1n\n");
  });
});

/** What a program prints that has a client of the server, and an environment of its own. */
async function inProcess(server: string, statement: string, env: NodeJS.ProcessEnv): Promise<string> {
  const program = `
    import { RPC, TallyClient } from ${JSON.stringify(new URL("../../src/client/client.ts", import.meta.url))};
    const client = new TallyClient({ server: ${JSON.stringify(server)} });
    await ${statement};
    client.close();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    env: { ...process.env, ...env },
  });
  return Buffer.concat((await child.stdout.toArray()) as Buffer[]).toString();
}

describe("who speaks TLS where the other does not", () => {
  it("over TLS to plaintext: is told so", async () => {
    await using opened = await open();
    const failure = await failureOf(increment(client(`https://localhost:${opened.door.port}`, { ca })));
    expect(failure).toMatchObject({
      status: "UNAVAILABLE",
      message: "it does not speak TLS",
      sent: false,
      unknown: false,
      untrusted: false,
    });
  });

  it("in plaintext to TLS: is told what to write", async () => {
    const { door } = await serving();
    const failure = await failureOf(increment(client(`localhost:${door.port}`)));
    expect(failure).toMatchObject({
      status: "UNAVAILABLE",
      message: "it hung up on plaintext; for TLS write https:// before it",
      untrusted: false,
      unknown: true, // For all that the client can know.
    });
  });
});
