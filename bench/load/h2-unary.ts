import { INCREMENT_PATH, incrementTemplate } from "../messages.ts";
import { type NameRange, writeName } from "../names.ts";
import { uuidv7Writer } from "../uuidv7.ts";
import { type GeneratorOptions, generate, optionsOfThisProcess } from "./generator.ts";

/** Unary Increments by 1 of counters drawn uniformly from `names`, each with a request id of its own. */
export type UnaryOptions = GeneratorOptions & { names: NameRange };

const options = optionsOfThisProcess<UnaryOptions>();
const { names } = options;
const template = incrementTemplate();
const buffers = Array.from({ length: options.connections * options.streams }, () =>
  Buffer.from(template.bytes),
);
const writeRequestId = uuidv7Writer();

await generate(
  {
    path: INCREMENT_PATH,
    opsPerCall: 1,
    next(lane) {
      const buffer = buffers[lane]!;
      writeName(buffer, template.nameAt, Math.floor(Math.random() * names.count) * names.stride);
      writeRequestId(buffer, template.requestIdAt);
      return buffer;
    },
  },
  options,
);
