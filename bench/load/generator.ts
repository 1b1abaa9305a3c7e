import { once } from "node:events";
import { type LaneOptions, type LaneResult, Lanes, type Source } from "./lanes.ts";

/** What every generator is told, as JSON in its first argument; each adds its own. */
export type GeneratorOptions = LaneOptions;

export function optionsOfThisProcess<Options extends GeneratorOptions>(): Options {
  const json = process.argv[2];
  if (json === undefined) throw new TypeError("expected the options as JSON in the first argument");
  return JSON.parse(json);
}

/**
 * The life of a generator process: connect, print "ready", wait for a line (so that many start together),
 * load, print the LaneResult as one line of JSON.
 */
export async function generate(source: Source, options: GeneratorOptions): Promise<void> {
  const lanes = new Lanes(source, options);
  await lanes.connect();
  console.log("ready");
  await once(process.stdin, "data");
  const result: LaneResult = await lanes.run();
  console.log(JSON.stringify(result));
  process.exit(0); // Stdin is still open, and would keep the process.
}
