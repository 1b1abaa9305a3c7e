import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  BatchGetCountersRequestSchema,
  BatchGetCountersResponseSchema,
  CounterService,
  GetCounterRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { framed, pathOf } from "../messages.ts";
import { counterName, type NameRange, writeName } from "../names.ts";
import { type GeneratorOptions, generate, optionsOfThisProcess } from "./generator.ts";

/** GetCounter, or BatchGetCounters when a call asks for more than one; counters drawn uniformly from `names`. */
export type ReadOptions = GeneratorOptions & { names: NameRange; countersPerCall: number };

const options = optionsOfThisProcess<ReadOptions>();
const { names, countersPerCall } = options;
const { getCounter, batchGetCounters } = CounterService.method;

// Other names from call to call, written over those of the template. No counter's name is part of another's.
const templateNames = Array.from({ length: countersPerCall }, (_, i) => counterName(i * names.stride));
const template = framed(
  countersPerCall === 1
    ? toBinary(GetCounterRequestSchema, create(GetCounterRequestSchema, { name: templateNames[0]! }))
    : toBinary(
        BatchGetCountersRequestSchema,
        create(BatchGetCountersRequestSchema, { names: templateNames }),
      ),
);
const places = templateNames.map((name) => template.indexOf(name));
const buffers = Array.from({ length: options.connections * options.streams }, () => Buffer.from(template));

await generate(
  {
    path: pathOf(countersPerCall === 1 ? getCounter : batchGetCounters),
    opsPerCall: countersPerCall,
    next(lane) {
      const buffer = buffers[lane]!;
      // A run of neighbours, for a name may be asked for once.
      const first = Math.floor(Math.random() * names.count);
      for (const [i, at] of places.entries()) {
        writeName(buffer, at, ((first + i) % names.count) * names.stride);
      }
      return buffer;
    },
    ...(countersPerCall > 1 && {
      inspect(answer: Buffer) {
        const { results } = fromBinary(BatchGetCountersResponseSchema, answer.subarray(5));
        const found = results.filter(({ result }) => result.case === "counter").length;
        if (found !== countersPerCall) throw new Error(`expected ${countersPerCall} counters, got ${found}`);
      },
    }),
  },
  options,
);
