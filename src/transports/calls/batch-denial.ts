import type { DescMethod } from "@bufbuild/protobuf";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { nameReader, type OpColumns } from "../../core/columns.ts";
import { Verb } from "../../core/op.ts";
import type { Denial } from "./authorise.ts";
import { about, type Refused } from "./call.ts";

/** Why a caller may not do an operation of a batch: the first that is so refuses all of it. */
export function batchDenial(ops: OpColumns, denial: Denial): Refused | undefined {
  const nameAt = nameReader(ops);
  for (let index = 0; index < ops.count; index++) {
    const name = nameAt(index);
    const refusal = denial(METHODS[ops.verbs[index]!]!, { name });
    if (refusal !== undefined) return about(name, { ...refusal, index });
  }
  return undefined;
}

const { increment, decrement, set, reset } = CounterService.method;

/** The method that does an operation alone. */
const METHODS: Readonly<Record<number, DescMethod>> = {
  [Verb.INCREMENT]: increment,
  [Verb.DECREMENT]: decrement,
  [Verb.SET]: set,
  [Verb.RESET]: reset,
};
