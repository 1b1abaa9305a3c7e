import type { DescEnum, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { commentOf, readMethodComment } from "./comments.ts";
import { errorResponses } from "./errors.ts";
import { EXAMPLES } from "./examples.ts";
import { CONDITIONS, NOT_MODIFIED, type Operation, pathParameter } from "./operation.ts";
import type { Schema, Schemas } from "./schema.ts";

/** The four paths of rest/article.ts, which no annotation describes: their answers are not messages. */
export function simpleOperationsOf(
  { method }: DescService,
  reasons: DescEnum,
  schemas: Schemas,
): Operation[] {
  const { increment, decrement, getCounter, set, reset } = method as Record<string, DescMethod>;
  schemas.components.SimpleCounter = SIMPLE_COUNTER;
  schemas.components.SimplePut = putBody(set!.input, schemas);
  const of = (
    verb: string,
    path: string,
    operationId: string,
    [first, ...others]: readonly DescMethod[],
    texts: { summary: string; description?: string },
    body?: Schema,
  ): Operation => {
    const own = new Map(
      [first!, ...others].flatMap((each) => [...readMethodComment(commentOf(each)).reasons]),
    );
    const { parameters: given, body: sent, answer } = EXAMPLES[operationId]!;
    const name = first!.input.fields.find((field) => field.name === "name")!;
    const changes = verb !== "GET";
    return {
      method: verb.toLowerCase(),
      path,
      operation: {
        operationId,
        tags: ["Simple"],
        ...texts,
        parameters: [
          pathParameter(name, schemas, given?.name),
          ...(changes ? [{ $ref: "#/components/parameters/IdempotencyKey" }] : []),
          ...(verb === "PUT" ? [{ $ref: "#/components/parameters/IfMatch" }] : []),
          ...(changes ? [] : CONDITIONS),
        ],
        ...(body && {
          requestBody: {
            description: "None is the same as `{}`.",
            required: false,
            content: { "application/json": { schema: body, example: sent } },
          },
        }),
        responses: {
          "200": {
            description: "Done; durable, if it was a change.",
            headers: { ETag: { $ref: "#/components/headers/ETag" } },
            content: {
              "application/json": { schema: { $ref: "#/components/schemas/SimpleCounter" }, example: answer },
            },
          },
          ...(!changes && NOT_MODIFIED),
          ...errorResponses(reasons, own, {
            method: verb,
            hasBody: changes,
            changes,
            conditional: !changes,
          }),
        },
      },
    };
  };
  const request = ({ input }: DescMethod) => schemas.message(input, "request");
  return [
    of(
      "POST",
      "/counters/{name}/increment",
      "SimpleIncrement",
      [increment!],
      { summary: "Add to a counter", description: "As Increment." },
      request(increment!),
    ),
    of(
      "POST",
      "/counters/{name}/decrement",
      "SimpleDecrement",
      [decrement!],
      { summary: "Subtract from a counter", description: "As Decrement." },
      request(decrement!),
    ),
    of("GET", "/counters/{name}", "SimpleGet", [getCounter!], {
      summary: "Read one counter",
      description: "As GetCounter.",
    }),
    of(
      "PUT",
      "/counters/{name}",
      "SimplePut",
      [set!, reset!],
      { summary: "Reset a counter, or set it", description: "With a `value` as Set, without one as Reset." },
      { $ref: "#/components/schemas/SimplePut" },
    ),
  ];
}

const SIMPLE_COUNTER: Schema = {
  type: "object",
  properties: {
    name: { type: "string", description: "The counter's name." },
    value: {
      type: ["integer", "string"],
      pattern: "^-?[0-9]{16,19}$",
      minimum: -Number.MAX_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "The count after the call. A JSON number; below -(2^53-1) and above 2^53-1, where that would lose digits, a string.",
    },
  },
  required: ["name", "value"],
};

/** The fields of Set; without a value those that Reset has too. */
function putBody({ fields }: DescMessage, schemas: Schemas): Schema {
  const inBody = fields.filter(({ name }) => name !== "name");
  return {
    type: "object",
    properties: Object.fromEntries(inBody.map((field) => [field.jsonName, schemas.field(field, "request")])),
    dependentRequired: { mustExist: ["value"] },
    additionalProperties: false,
  };
}
