import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescMethod,
  getOption,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { http } from "../../gen/google/api/annotations_pb.ts";
import { parseTemplate, patternOf } from "../../src/transports/rest/template.ts";
import { commentOf, readMethodComment } from "./comments.ts";
import { errorResponses } from "./errors.ts";
import { EXAMPLES } from "./examples.ts";
import { rulesOf } from "./rules.ts";
import { isRequired, type Schema, type Schemas } from "./schema.ts";

/** A path with a method, as OpenAPI has it. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operation: Schema;
}

/** The operations of a method, one for each of its google.api.http rules: what rest.ts makes of them. */
export function operationsOf(method: DescMethod, reasons: DescEnum, schemas: Schemas): Operation[] {
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].map((each, index) => {
    const [verb, path] = patternOf(each);
    const hasBody = each.body === "*";
    const inPath = parseTemplate(path).segments.flatMap((segment) =>
      "field" in segment ? [segment.field] : [],
    );
    const { summary, description, reasons: own } = readMethodComment(commentOf(method));
    const changes = method.idempotency !== Idempotency.NO_SIDE_EFFECTS;
    const example = EXAMPLES[method.name];
    const operation = {
      operationId: index === 0 ? method.name : `${method.name}${index + 1}`,
      tags: [method.parent.name],
      summary,
      description,
      parameters: [
        ...method.input.fields.flatMap((field) => {
          const { name, jsonName } = field;
          if (inPath.includes(name)) return [pathParameter(field, schemas, example?.parameters?.[jsonName])];
          return hasBody ? [] : [queryParameter(field, schemas, example?.parameters?.[jsonName])];
        }),
        ...headersOf(method.input),
        ...(isConditional(method, verb) ? CONDITIONS : []),
      ],
      ...(hasBody && { requestBody: bodyOf(method.input, inPath, schemas, example?.body) }),
      responses: {
        "200":
          method.methodKind === "server_streaming"
            ? linesOf(method.output, schemas, example?.answer)
            : answerOf(method.output, schemas, example?.answer),
        ...(isConditional(method, verb) && NOT_MODIFIED),
        ...withNotAllowed(
          method.output,
          schemas,
          errorResponses(reasons, own, {
            method: verb,
            hasBody,
            changes,
            conditional: isConditional(method, verb),
            admin: method.parent.name === "AdminService",
          }),
        ),
      },
    };
    return { method: verb.toLowerCase(), path, operation };
  });
}

/** Whether an answer has an ETag that conditions are about: one counter does, many have none. */
function isConditional({ output }: DescMethod, verb: string): boolean {
  return verb === "GET" && output.fields.some(({ name }) => name === "counter");
}

export const CONDITIONS: readonly Schema[] = [
  { $ref: "#/components/parameters/IfMatchRead" },
  { $ref: "#/components/parameters/IfNoneMatch" },
];

export const NOT_MODIFIED: Readonly<Record<string, Schema>> = {
  "304": {
    description: "The caller has it already, by its If-None-Match.",
    headers: { ETag: { $ref: "#/components/headers/ETag" } },
  },
};

export function pathParameter(field: DescField, schemas: Schemas, example: unknown): Schema {
  const { description, ...schema } = schemas.field(field, "request");
  return {
    name: field.name,
    in: "path",
    required: true,
    description: `${description} Percent-encoded, as one segment: "/" is %2F, and a ":" may be %3A.`,
    schema,
    ...(example !== undefined && { example }),
  };
}

function queryParameter(field: DescField, schemas: Schemas, example: unknown): Schema {
  const { description, ...whole } = schemas.field(field, "request");
  const { type, ...rest } = whole;
  // The text of a query has no null.
  const only = Array.isArray(type) ? { type: type.find((each) => each !== "null"), ...rest } : whole;
  const needed = isRequired(field, "request") && { required: true };
  const base = { name: field.jsonName, in: "query", ...needed, description };
  const given = example !== undefined && { example };
  if (field.fieldKind !== "map") {
    return { ...base, schema: "anyOf" in only ? (only.anyOf as Schema[])[0] : only, ...given };
  }
  // An entry is a parameter of its own: labels.site=a. An object in the style "form" that is exploded is just that,
  // when its keys begin with the name.
  const { pattern } = rulesOf(field).key as { pattern: string };
  return {
    ...base,
    description: `${description} One parameter an entry, its name \`${field.name}.KEY\`: \`?${field.name}.site=a&${field.name}.page=b\`.`,
    style: "form",
    explode: true,
    schema: { ...only, propertyNames: { pattern: pattern.replace("^", `^${field.name}\\.`) } },
    ...given,
  };
}

function headersOf({ fields }: DescMessage): Schema[] {
  const has = (name: string) => fields.some((field) => field.name === name);
  return [
    ...(has("request_id") ? [{ $ref: "#/components/parameters/IdempotencyKey" }] : []),
    ...(has("etag") ? [{ $ref: "#/components/parameters/IfMatch" }] : []),
    ...(has("settings_etag") ? [{ $ref: "#/components/parameters/IfMatchSettings" }] : []),
  ];
}

function bodyOf(input: DescMessage, inPath: readonly string[], schemas: Schemas, example: unknown): Schema {
  const schema = schemas.message(input, "request", inPath);
  const { required: fields, oneOf } = schemas.components[schemas.componentOf(input, "request")]!;
  const required = fields !== undefined || oneOf !== undefined;
  return {
    ...(!required && { description: "None is the same as `{}`." }),
    required,
    content: { "application/json": { schema, ...(example !== undefined && { example }) } },
  };
}

/** Whether an answer says how limits stand. */
function isAboutLimits({ fields }: DescMessage): boolean {
  return fields.some(({ message }) => message?.name === "LimitStatus");
}

const LIMIT_FIELDS = {
  "RateLimit-Policy": { $ref: "#/components/headers/RateLimitPolicy" },
  RateLimit: { $ref: "#/components/headers/RateLimit" },
};

/** What is not allowed at a limit has the same status as what the server has no room for, and another body. */
function withNotAllowed(
  output: DescMessage,
  schemas: Schemas,
  responses: Record<string, Schema>,
): Record<string, Schema> {
  if (!isAboutLimits(output) || !output.fields.some(({ name }) => name === "allowed")) return responses;
  const { description, headers, content } = responses["429"] as {
    description: string;
    headers: Schema;
    content: { "application/json": { schema: Schema; examples: Schema } };
  };
  const { schema, examples } = content["application/json"];
  const answer = schemas.message(output, "response");
  const told = {
    description: `Not allowed: nothing was taken, and the answer says how the limits stand. Or an error:\n\n${description}`,
    headers: { ...headers, ...LIMIT_FIELDS },
    content: { "application/json": { schema: { anyOf: [answer, schema] }, examples } },
  };
  return { ...responses, "429": told };
}

function answerOf(output: DescMessage, schemas: Schemas, example: unknown): Schema {
  const about = output.fields.find(({ name }) => name === "counter" || name === "outcome");
  return {
    description: "Done; durable, if it was a change.",
    ...(about && { headers: { ETag: { $ref: "#/components/headers/ETag" } } }),
    ...(isAboutLimits(output) && { headers: LIMIT_FIELDS }),
    content: {
      "application/json": {
        schema: schemas.message(output, "response"),
        ...(example !== undefined && { example }),
      },
    },
  };
}

/** The answer of a method that streams: a line of JSON for each message, and one more for the error that it ended in. */
function linesOf(output: DescMessage, schemas: Schemas, example: unknown): Schema {
  const result = schemas.message(output, "response");
  const line = { type: "object", properties: { result }, required: ["result"] };
  return {
    description:
      "Lines of JSON, each as soon as it is known. The last is an error where the call ended so; what was told before it stands.",
    content: {
      "application/x-ndjson": {
        schema: { anyOf: [line, { $ref: "#/components/schemas/Error" }] },
        ...(Array.isArray(example) && { example: example[0] }),
      },
    },
  };
}
