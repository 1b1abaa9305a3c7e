/**
 * npm run test:h2spec
 *
 * Goal: h2spec, which sends what RFC 9113 and RFC 7541 forbid and allow, finds nothing wrong with the engine, in its
 * strict form. It is a program of its own: `go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible`; `H2SPEC` says
 * where it is, if not in the PATH.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { listenEcho } from "../../http2/echo.ts";

const CASES = 146;

const { port, server, engine, defects } = await listenEcho();
const h2spec = spawn(
  process.env.H2SPEC ?? "h2spec",
  ["--strict", "--host", "127.0.0.1", "--port", String(port)],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
let said = "";
h2spec.stdout.setEncoding("utf8").on("data", (text: string) => {
  said += text;
});
h2spec.on("error", ({ message }) => console.error(message));
await once(h2spec, "close");
server.close();
engine.close();
const summary = `${CASES} tests, ${CASES} passed, 0 skipped, 0 failed`;
if (said.includes(summary) && defects.length === 0) console.log(summary);
else {
  console.error(said.slice(Math.max(0, said.indexOf("Failures:"))), ...defects);
  process.exitCode = 1;
}
