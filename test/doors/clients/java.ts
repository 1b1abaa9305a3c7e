import path from "node:path";
import { fileURLToPath } from "node:url";
import { program } from "../../support/needs.ts";
import { COMPILE_MS, type ManyCallsClient, run } from "./client.ts";
import { startLineClient } from "./line-client.ts";
import { fetchDescriptors } from "./stubs.ts";

const SOURCES = fileURLToPath(new URL("./java", import.meta.url));

/** Java's grpc-java on Netty, by the descriptors that the server gives out. */
export const java: ManyCallsClient = {
  name: "Java grpc-java",
  needs: [
    program("java", { install: "apt-get install openjdk-17-jdk-headless" }),
    program("mvn", { install: "apt-get install maven" }),
  ],
  async prepare(server, folder) {
    await fetchDescriptors(server, folder);
    const classpath = `-Dmdep.outputFile=${path.join(folder, "classpath")}`;
    const args = ["-B", "-q", "dependency:build-classpath", classpath];
    const { code, stdout } = await run("mvn", args, { cwd: SOURCES, timeoutMs: COMPILE_MS });
    if (code !== 0) throw new Error(`mvn: ${stdout}`);
  },
  async open(address, folder) {
    const classpath = `@${path.join(folder, "classpath")}`;
    const descriptors = path.join(folder, "descriptors.binpb");
    return startLineClient("java", [
      "-cp",
      classpath,
      path.join(SOURCES, "Client.java"),
      address,
      descriptors,
    ]);
  },
};
