import { create, type DescMethodUnary, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { type Answer, Connection } from "../crash/connection.ts";

/** Calls one after another on one connection. */
export class Caller {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async on(port: number): Promise<Caller> {
    return new Caller(await Connection.open(port));
  }

  async call<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M["input"]>,
  ): Promise<Answer<MessageShape<M["output"]>>> {
    return await this.#connection.call(method, create(method.input, request) as MessageShape<M["input"]>);
  }

  /** What a Get says: the value, or the reason of its error. */
  async get(name: string): Promise<bigint | string> {
    const answer = await this.call(CounterService.method.getCounter, { name });
    return answer.ok ? answer.message.counter!.value : reasonOf(answer);
  }

  /** What an Increment by 1 says: the new value, or the reason of its error. */
  async increment(name: string): Promise<bigint | string> {
    const answer = await this.call(CounterService.method.increment, { name });
    return answer.ok ? answer.message.outcome!.value : reasonOf(answer);
  }

  close(): void {
    this.#connection.close();
  }
}

function reasonOf({ reason, status, text }: Exclude<Answer<never>, { ok: true }>): string {
  return reason ?? `status ${status}: ${text}`;
}
