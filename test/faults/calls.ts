import { create } from "@bufbuild/protobuf";
import { CounterService, IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { Connection } from "../crash/connection.ts";

/** Increment by 1, once, on a connection of its own. @returns the new value; an error throws its reason */
export async function increment(port: number, name: string): Promise<bigint> {
  const connection = await Connection.open(port);
  try {
    const request = create(IncrementRequestSchema, { name });
    const answer = await connection.call(CounterService.method.increment, request);
    if (!answer.ok) throw new Error(answer.reason ?? `status ${answer.status}: ${answer.text}`);
    return answer.message.outcome!.value;
  } finally {
    connection.close();
  }
}
