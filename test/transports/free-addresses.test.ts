import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, it } from "vitest";
import { assertFree } from "../../src/transports/free-addresses.ts";

async function listening(host: string) {
  const server = createServer((socket) => socket.destroy()).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

async function portThatIsFree(): Promise<number> {
  await using taken = await listening("127.0.0.1");
  return taken.port;
}

const codeOf = (look: Promise<void>) =>
  look.then(
    () => "free",
    ({ cause }) => cause.code as string,
  );

it("says of an address that is taken, is not this machine's, or is no name, what the system says", async () => {
  await using taken = await listening("127.0.0.1");
  const { port } = taken;
  expect(await codeOf(assertFree([{ host: "127.0.0.1", port }]))).toBe("EADDRINUSE");
  expect(await codeOf(assertFree([{ host: "0.0.0.0", port }]))).toBe("EADDRINUSE");
  expect(await codeOf(assertFree([{ host: "192.0.2.1", port: 0 }]))).toBe("EADDRNOTAVAIL");
  expect(await codeOf(assertFree([{ host: "nobody.invalid", port }]))).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
});

it("takes two that are one for taken, by whatever names", async () => {
  const port = await portThatIsFree();
  const here = { host: "127.0.0.1", port };
  expect(await codeOf(assertFree([here]))).toBe("free");
  for (const host of ["127.0.0.1", "0.0.0.0", "::", "localhost"])
    expect([host, await codeOf(assertFree([here, { host, port }]))]).toEqual([host, "EADDRINUSE"]);
  expect(await codeOf(assertFree([here, { host: "127.0.0.2", port }]))).toBe("free");
  const any = { host: "127.0.0.1", port: 0 };
  expect(await codeOf(assertFree([any, any]))).toBe("free");
});

it("accepts nobody: who looks for a server meanwhile is refused, and it can be listened on at once", async () => {
  const port = await portThatIsFree();
  for (let round = 0; round < 50; round++) {
    const looked = assertFree([{ host: "127.0.0.1", port }]);
    const socket = connect(port, "127.0.0.1");
    const came = once(socket, "connect").then(
      () => "accepted",
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(await came).toBe("ECONNREFUSED");
    await looked;
  }
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
});
