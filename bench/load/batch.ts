import { fromBinary } from "@bufbuild/protobuf";
import { BatchApplyResponseSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { BATCH_APPLY_PATH, batchTemplate } from "../messages.ts";
import type { NameRange } from "../names.ts";
import { uuidv7Writer } from "../uuidv7.ts";
import { type Distribution, drawFrom } from "../zipf.ts";
import { type GeneratorOptions, generate, optionsOfThisProcess } from "./generator.ts";

/** BatchApply calls of `operations` increments by 1, names drawn from `names`, one new request id a call. */
export type BatchOptions = GeneratorOptions & {
  operations: number;
  names: NameRange;
  distribution: Distribution;
};

/** Encoded once and sent again and again, only with new ids: in all enough draws to show the distribution. */
const DRAWS = 400_000;

const options = optionsOfThisProcess<BatchOptions>();
const lanes = options.connections * options.streams;
const bodiesPerLane = Math.ceil(DRAWS / options.operations / lanes);
const draw = drawFrom(options.distribution, options.names.count);
const bodies = Array.from({ length: lanes * bodiesPerLane }, () =>
  batchTemplate(Array.from({ length: options.operations }, () => draw() * options.names.stride)),
);
const writeRequestId = uuidv7Writer();

await generate(
  {
    path: BATCH_APPLY_PATH,
    opsPerCall: options.operations,
    next(lane) {
      const body = bodies[lane * bodiesPerLane + Math.floor(Math.random() * bodiesPerLane)]!;
      writeRequestId(body.bytes, body.requestIdAt);
      return body.bytes;
    },
    inspect(answer) {
      const { outcomes } = fromBinary(BatchApplyResponseSchema, answer.subarray(5));
      const applied = outcomes.filter(
        (outcome) => !outcome.refusal && outcome.value === outcome.previous + 1n,
      );
      if (applied.length !== options.operations) {
        throw new Error(`${applied.length} of ${options.operations} operations were applied`);
      }
    },
  },
  options,
);
