import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { Verb } from "../../core/op.ts";
import { readPlainChange, writeOutcomeResponse } from "../../wire/change.ts";
import { opMethod } from "./op-method.ts";
import { ifMissingOf } from "./setting-fields.ts";

const { increment, decrement, set, reset } = CounterService.method;

/** Increment, Decrement, Set and Reset: one operation each, answered by its Outcome. */
export const COUNTING = [
  opMethod({
    method: increment,
    toOp: ({ name, amount, mustExist, ifMissing }) => {
      const settings = ifMissingOf(ifMissing);
      if (settings !== undefined && "code" in settings) return settings;
      return { verb: Verb.INCREMENT, name, amount: amount ?? 1n, mustExist, settings };
    },
    readPlain: (bytes) => readPlainChange(bytes, Verb.INCREMENT),
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
  opMethod({
    method: decrement,
    toOp: ({ name, amount }) => ({ verb: Verb.DECREMENT, name, amount: amount ?? 1n, mustExist: false }),
    readPlain: (bytes) => readPlainChange(bytes, Verb.DECREMENT),
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
  opMethod({
    method: set,
    toOp: ({ name, value, mustExist, etag, note, ifMissing }) => {
      const settings = ifMissingOf(ifMissing);
      if (settings !== undefined && "code" in settings) return settings;
      return {
        verb: Verb.SET,
        name,
        amount: value ?? 0n,
        mustExist,
        etag,
        note: note || undefined,
        settings,
      };
    },
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
  opMethod({
    method: reset,
    toOp: ({ name, etag, note }) => {
      return { verb: Verb.RESET, name, amount: 0n, mustExist: false, etag, note: note || undefined };
    },
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
];
