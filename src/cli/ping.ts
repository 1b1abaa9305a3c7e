import type { Command } from "commander";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { onServer } from "./client-command.ts";
import { CommandError, EXIT } from "./exit.ts";

/** `tally ping`: ask a server whether it serves, and how long an answer takes. */
export function define(command: Command): void {
  command
    .option("--wait", "until it serves: for a minute, or as --timeout says")
    .addHelpText("before", EXAMPLES)
    .hook("preAction", (ping) => {
      // That of one call is too short for a server which starts on a machine that is busy.
      if (ping.opts().wait === true && ping.getOptionValueSource("timeout") === "default")
        ping.setOptionValue("timeout", WAIT_MS);
    });
  onServer(command, { format: "table" }, async ({ client, output }, _: [], options: { wait?: true }) => {
    const attemptsMax = options.wait ? Number.POSITIVE_INFINITY : 1;
    const { status } = await client.call(Health.method.check, {}, { attemptsMax });
    if (status !== HealthCheckResponse_ServingStatus.SERVING)
      throw new CommandError(
        EXIT.UNAVAILABLE,
        `The server at ${client.server} is up and does not serve now.`,
      );
    const start = performance.now(); // The first answer took a connection too.
    await client.call(Health.method.check, {}, { attemptsMax: 1 });
    const ms = (performance.now() - start).toFixed(1);
    await output.record({
      json: { server: client.server, status: "SERVING", milliseconds: Number(ms) },
      value: ms,
      cells: { SERVER: client.server, STATUS: "serving", "ANSWERS IN": `${ms} ms` },
    });
  });
}

const WAIT_MS = 60_000;

const EXAMPLES = `Examples:
  tally ping                              is it there?
  tally ping --wait                       wait until it is
`;
