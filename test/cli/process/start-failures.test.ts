/** Whatever keeps a server from starting is one sentence on stderr, no stack, and an exit code of its own. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { closeSync, cpSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../../src/cli/exit.ts";
import { SCHEMA_VERSION } from "../../../src/stores/sqlite/schema/schema.ts";
import type { CertificateFiles } from "../../../src/transports/tls/pair.ts";
import { authority } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { folder, ROOT, serve, tally } from "./tally.ts";

describe("the address", () => {
  it("in use", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const at = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    await refused(
      ["--listen", at],
      EXIT.UNAVAILABLE,
      `Cannot listen on ${at}: another process does already; stop that one, or choose another port with --listen.`,
    );
  });

  it("not of this machine", () =>
    refused(
      ["--listen", "192.0.2.1:8080", "--insecure"], // TEST-NET-1 of RFC 5737: nobody has it.
      EXIT.UNAVAILABLE,
      "Cannot listen on 192.0.2.1:8080: this machine has no such address; choose one of its own with --listen.",
    ));

  it.each(["grpc-listen", "metrics-listen"])("of another port, by the name of its flag: %s", async (name) => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const at = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    await refused(
      ["--listen", "127.0.0.1:0", `--${name}`, at],
      EXIT.UNAVAILABLE,
      `Cannot listen on ${at}: another process does already; stop that one, or choose another port with --${name}.`,
    );
  });

  it.each([
    [
      ["--listen", "127.0.0.1:AT", "--grpc-listen", "127.0.0.1:AT"],
      "127.0.0.1:AT",
      "--listen",
      "--grpc-listen",
    ],
    [
      [
        "--listen",
        "127.0.0.1:0",
        "--grpc-listen",
        "0.0.0.0:AT",
        "--metrics-listen",
        "127.0.0.1:AT",
        "--insecure",
      ],
      "0.0.0.0:AT",
      "--grpc-listen",
      "--metrics-listen",
    ],
  ] as const)("that two settings name: %j", async (flags, other, otherFlag, flag) => {
    const port = await freePort();
    const at = (text: string) => text.replace("AT", `${port}`);
    const args = flags.map(at);
    await refused(
      [...args],
      EXIT.UNAVAILABLE,
      `Cannot listen on ${args[args.indexOf(flag) + 1]}: ${otherFlag} names that address too (${at(other)}); choose another ` +
        `port with one of them, or leave ${flag} out.`,
    );
  });

  it("that others can reach, without --insecure", () =>
    refused(
      ["--listen", "0.0.0.0:8080"],
      EXIT.USAGE,
      'listen is "0.0.0.0:8080" (from the flag --listen): others could reach this address and change every counter, ' +
        "because nobody has to say who they are. Set auth = required, with TLS, listen on a loopback address such as " +
        "127.0.0.1:8080, or accept this with --insecure.",
    ));
});

describe("the store's file", () => {
  it("in a folder that does not exist", async () => {
    const path = join(folder(), "none");
    await refused(
      ["--store", `sqlite:${path}/tally.db`],
      EXIT.STORE_UNREACHABLE,
      `The folder ${path} does not exist; make it, or give another path for the store.`,
    );
  });

  it("that cannot be written", async () => {
    const path = join("/proc", "tally.db"); // Where even root can make none.
    await refused(
      ["--store", `sqlite:${path}`],
      EXIT.STORE_UNREACHABLE,
      `${path} cannot be opened for writing; check that the folder exists and who may write there.`,
    );
  });

  it("that is a pipe", async () => {
    const path = join(folder(), "tally.db");
    execFileSync("mkfifo", [path]);
    await refused(
      ["--store", `sqlite:${path}`],
      EXIT.STORE_UNREACHABLE,
      `${path} is a pipe (FIFO); expected a regular file, or nothing yet: move it away, or give another path.`,
    );
  });

  it.each(["backup-dir", "archive-dir"])("whose %s is no folder; no data file is made", async (name) => {
    const dir = folder();
    const path = join(dir, "tally.db");
    const [pipe, file] = [join(dir, "pipe"), join(dir, "file")];
    execFileSync("mkfifo", [pipe]);
    writeFileSync(file, "");
    for (const [at, kind] of [
      [pipe, "a pipe (FIFO)"],
      [file, "a file"],
    ] as const) {
      const others = name === "archive-dir" ? ["--backup-dir", dir] : [];
      await refused(
        ["--store", `sqlite:${path}`, ...others, "--backup-every", "1d", `--${name}`, at],
        EXIT.STORE_UNREACHABLE,
        `${name} is ${at}, which is ${kind}; expected a folder: move that away and make one, or give another path.`,
      );
      expect(existsSync(path)).toBe(false);
    }
  });

  it("that is no database", async () => {
    const path = join(folder(), "tally.db");
    writeFileSync(path, "Dear diary, ".repeat(1_000));
    await refused(
      ["--store", `sqlite:${path}`],
      EXIT.STORE_UNUSABLE,
      `${path} is not an SQLite database, or its head is damaged; give another path, or restore it.`,
    );
  });

  it("that is damaged", async () => {
    const path = join(folder(), "tally.db");
    cpSync(join(ROOT, "test/stores/golden/newer-schema.sqlite"), path);
    const file = openSync(path, "r+");
    writeSync(file, Buffer.alloc(200, 0xff), 0, 200, 100); // Behind the head: the page that lists the tables.
    closeSync(file);
    await refused(
      ["--store", `sqlite:${path}`],
      EXIT.STORE_UNUSABLE,
      `${path} is damaged (SQLITE_CORRUPT); restore it from a backup.`,
    );
  });

  it("of another program", async () => {
    const path = join(folder(), "tally.db");
    const db = new Database(path);
    db.exec("CREATE TABLE songs (title TEXT)");
    db.close();
    await refused(
      ["--store", `sqlite:${path}`],
      EXIT.STORE_UNUSABLE,
      `${path} is an SQLite database of another program; give Tally a file of its own.`,
    );
  });

  it("of a newer Tally", async () => {
    const path = join(folder(), "tally.db");
    cpSync(join(ROOT, "test/stores/golden/newer-schema.sqlite"), path);
    await refused(
      ["--store", `sqlite:${path}`],
      EXIT.STORE_UNUSABLE,
      `${path} was written by a newer Tally (schema 1000; this one knows up to ${SCHEMA_VERSION}); start that version, or restore a ` +
        "backup made before the upgrade.",
    );
  });

  it("that another process has open", async () => {
    const path = join(folder(), "tally.db");
    const first = serve(["--store", `sqlite:${path}`]);
    const { address } = await first.logged("server.ready");
    // Also where it is started as the other was, whose port is taken as well.
    for (const same of [[], ["--listen", `${address}`]])
      await refused(
        ["--store", `sqlite:${path}`, ...same],
        EXIT.STORE_IN_USE,
        `${path} is in use by another Tally process (${first.child.pid}); stop that one, or give this one another file.`,
      );
    first.child.kill("SIGTERM");
    await expect(first.ended).resolves.toMatchObject({ code: 0 });
  });
});

describe("the TLS certificate or its key", () => {
  const made = authority();
  afterAll(() => made[Symbol.dispose]());
  const good = made.issue();
  const own = (name: string, text: string | Buffer) => {
    const path = join(folder(), name);
    writeFileSync(path, text);
    return path;
  };
  const tls = (files: Partial<CertificateFiles>) => {
    const { certFile, keyFile } = { ...good, ...files };
    return ["--tls-cert-file", certFile, "--tls-key-file", keyFile];
  };

  it("that is not there", async () => {
    await refused(
      tls({ certFile: "/none/cert.pem" }),
      EXIT.CONFIG,
      "The TLS certificate /none/cert.pem cannot be read: there is no such file.",
    );
    await refused(
      tls({ keyFile: "/none/key.pem" }),
      EXIT.CONFIG,
      "The TLS key /none/key.pem cannot be read: there is no such file.",
    );
  });

  it("that cannot be read", () =>
    refused(tls({ certFile: "/" }), EXIT.CONFIG, "The TLS certificate / cannot be read: it is a directory."));

  it("that is not PEM", async () => {
    const der = new X509Certificate(readFileSync(good.certFile)).raw;
    for (const text of [
      "hello",
      "",
      der,
      readFileSync(good.keyFile),
      "-----BEGIN CERTIFICATE-----\nAAAA\n",
    ]) {
      const certFile = own("cert.pem", text);
      await refused(
        tls({ certFile }),
        EXIT.CONFIG,
        `The TLS certificate ${certFile} is no certificate in PEM; expected -----BEGIN CERTIFICATE-----, the server's ` +
          "own first.",
      );
    }
    const keyFile = own("key.pem", readFileSync(good.certFile));
    await refused(
      tls({ keyFile }),
      EXIT.CONFIG,
      `The TLS key ${keyFile} is no private key in PEM; expected -----BEGIN PRIVATE KEY-----.`,
    );
  });

  it("with a passphrase", async () => {
    const secret = createPrivateKey(readFileSync(good.keyFile)).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "secret",
    });
    const keyFile = own("key.pem", secret);
    await refused(
      tls({ keyFile }),
      EXIT.CONFIG,
      `The TLS key ${keyFile} has a passphrase; give one without, readable only by Tally's user.`,
    );
  });

  it("of which one is another's; no data file is made", async () => {
    const { keyFile } = made.issue();
    const store = join(folder(), "tally.db");
    await refused(
      [...tls({ keyFile }), "--store", `sqlite:${store}`],
      EXIT.CONFIG,
      `The TLS key ${keyFile} does not belong to the certificate ${good.certFile}: it is the key of another; give the ` +
        "key of the first certificate in the file.",
    );
    expect(existsSync(store)).toBe(false);
  });

  it("of which only one is given", async () => {
    const sentence = (given: string, from: string, other: string) =>
      `tls-${given}-file is "x.pem" (from ${from}), and tls-${other}-file is not given; TLS takes a certificate and ` +
      "its key: give both, or neither.";
    await refused(
      ["--tls-cert-file", "x.pem"],
      EXIT.USAGE,
      sentence("cert", "the flag --tls-cert-file", "key"),
    );
    await refused([], EXIT.CONFIG, sentence("key", "the environment, TALLY_TLS_KEY_FILE", "cert"), {
      TALLY_TLS_KEY_FILE: "x.pem",
    });
  });
});

describe("the configuration", () => {
  it("file that is not there", () =>
    refused(
      ["--config", "/none/tally.toml"],
      EXIT.CONFIG,
      "The configuration file /none/tally.toml cannot be read: there is no such file.",
    ));

  it("file with a setting that does not exist", async () => {
    const path = join(folder(), "tally.toml");
    writeFileSync(path, 'log_levle = "debug"\n');
    await refused(
      ["--config", path],
      EXIT.CONFIG,
      `"log_levle" (in the file ${path}) is no setting of Tally; did you mean "log-level"?`,
    );
  });

  it("flag that is mistyped", () =>
    refused(
      ["--lisen", "127.0.0.1:1"],
      EXIT.USAGE,
      "unknown option '--lisen' (Did you mean --listen?) For all that it can do: tally help serve",
    ));

  it("flag out of range", () =>
    refused(
      ["--drain-grace", "2h"],
      EXIT.USAGE,
      'drain-grace is "2h" (from the flag --drain-grace); expected a duration from 0s to 1h; the default is 8s.',
    ));

  it("variable out of range", () =>
    refused(
      [],
      EXIT.CONFIG,
      'log-level is "loud" (from the environment, TALLY_LOG_LEVEL); expected one of silent, fatal, error, warn, info, ' +
        "debug; the default is info.",
      { TALLY_LOG_LEVEL: "loud" },
    ));
});

it("a command that does not exist", async () => {
  await expect(tally(["serv"]).ended).resolves.toMatchObject({
    code: EXIT.USAGE,
    stderr: "tally: unknown command 'serv' (Did you mean serve?) For the commands: tally help\n",
    stdout: "",
  });
});

async function refused(args: readonly string[], code: number, sentence: string, env = {}): Promise<void> {
  const { ended } = serve(args, { env });
  expect(await ended).toEqual({ code, signal: null, stdout: "", stderr: `tally: ${sentence}\n` });
}
