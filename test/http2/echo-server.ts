/**
 * The echo on a port, for programs that talk to it from outside. Says its port.
 *
 *   node test/http2/echo-server.ts [PORT]
 */
import { listenEcho } from "./echo.ts";

const { port, defects } = await listenEcho(Number(process.argv[2] ?? 0));
console.log(port);
setInterval(() => {
  for (const defect of defects.splice(0)) console.error("defect", defect);
}, 100).unref();
