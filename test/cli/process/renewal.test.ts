/** SIGHUP has a server read its certificate again. */
import { once } from "node:events";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, it } from "vitest";
import { authority, LOCAL_NAMES } from "../../support/certificates.ts";
import { serve } from "./tally.ts";

it("SIGHUP: the renewed certificate is shown, a bad one is not, and the server lives on", async () => {
  using made = authority();
  const [first, second, bad] = [made.issue(), made.issue(`${LOCAL_NAMES},DNS:renewed.example`), made.issue()];
  const own = { certFile: join(made.folder, "own.pem"), keyFile: join(made.folder, "own.key") };
  const put = (certFile: string, keyFile: string) => {
    copyFileSync(certFile, own.certFile);
    copyFileSync(keyFile, own.keyFile);
  };
  const shown = async (port: number) => {
    const socket = connect({ port, host: "127.0.0.1", ca: made.ca });
    await once(socket, "secureConnect");
    const { subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    return subjectaltname;
  };
  put(first.certFile, first.keyFile);
  const server = serve(["--tls-cert-file", own.certFile, "--tls-key-file", own.keyFile]);
  const { port } = await server.logged("server.ready");
  put(second.certFile, bad.keyFile);
  server.child.kill("SIGHUP");
  expect(await server.logged("tls.renewal_failed")).toMatchObject({
    level: "error",
    detail: expect.stringContaining("does not belong to the certificate"),
  });
  expect(await shown(Number(port))).not.toContain("renewed");
  put(second.certFile, second.keyFile);
  server.child.kill("SIGHUP");
  expect(await server.logged("tls.renewed")).toMatchObject({ names: expect.stringContaining("renewed") });
  expect(await shown(Number(port))).toContain("DNS:renewed.example");
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0 });
});
