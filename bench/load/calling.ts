import { once } from "node:events";
import { INCREMENT_PATH, incrementTemplate } from "../messages.ts";
import { type NameRange, writeName } from "../names.ts";
import { uuidv7Writer } from "../uuidv7.ts";
import { Callers, type CallersOptions } from "./callers.ts";

/** Callers of Increment by 1, of counters drawn uniformly from `names`, each call under a request id of its own. */
export type CallingOptions = CallersOptions & { names: NameRange };

const options: CallingOptions = JSON.parse(process.argv[2]!);
const { names } = options;
const template = incrementTemplate();
const buffers = Array.from({ length: options.connections * options.callers }, () =>
  Buffer.from(template.bytes),
);
const writeRequestId = uuidv7Writer();

const callers = new Callers(
  INCREMENT_PATH,
  (caller) => {
    const buffer = buffers[caller]!;
    writeName(buffer, template.nameAt, Math.floor(Math.random() * names.count) * names.stride);
    writeRequestId(buffer, template.requestIdAt);
    return buffer;
  },
  options,
);
await callers.connect();
console.log("ready");
await once(process.stdin, "data");
console.log(JSON.stringify(await callers.run()));
process.exit(0); // Stdin is still open, and would keep the process.
