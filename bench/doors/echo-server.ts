import { createServer } from "node:http";

/** The least that a Node server can do for a JSON call: read it, parse it, and answer with it. */
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const text = Buffer.concat(chunks).toString();
    const body = Buffer.from(JSON.stringify(text === "" ? {} : JSON.parse(text)));
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
