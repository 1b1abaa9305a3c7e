import {
  type DescEnum,
  type DescExtension,
  type DescMessage,
  type DescService,
  type FileRegistry,
  hasOption,
} from "@bufbuild/protobuf";
import { http } from "../../gen/google/api/annotations_pb.ts";
import { commentOf } from "./comments.ts";
import { errorExamples, errorSchemas } from "./errors.ts";
import { type Operation, operationsOf } from "./operation.ts";
import { type Schema, Schemas } from "./schema.ts";
import { simpleOperationsOf } from "./simple.ts";

/** The OpenAPI 3.1 document of REST: what the protos say of the services of the API, and the simple paths beside it. */
export function documentOf(registry: FileRegistry, version: string): Schema {
  const services = [...registry].filter(isService).filter(({ file }) => file.proto.package === "tally.v1");
  const counters = registry.getService("tally.v1.CounterService")!;
  const reasons = registry.getEnum("tally.v1.ErrorReason")!;
  // What gives out bytes has no path in REST.
  const methods = services.flatMap(({ methods }) => methods.filter((method) => hasOption(method, http)));
  const schemas = new Schemas(methods.map(({ output }) => output));
  const operations = [
    ...methods.flatMap((method) => operationsOf(method, reasons, schemas)),
    ...simpleOperationsOf(counters, reasons, schemas),
  ];
  Object.assign(schemas.components, errorSchemas(reasons));
  return {
    openapi: "3.1.1",
    info: {
      title: "Tally",
      version,
      summary: "Durable, exact counters",
      description: `${commentOf(counters)}\n\n${JSON_RULES}`,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "This server." }],
    // A server may serve callers without a credential: all, or those that its settings and grants let through.
    security: [{ credential: [] }, {}],
    tags: [
      ...services.map(({ name, typeName }) => ({
        name,
        description: `The methods of ${typeName}, by their paths in REST.`,
      })),
      {
        name: "Simple",
        description:
          'The small API that many counter services have, on the same counters: it answers `{"name": "page-views", "value": 1}`.',
      },
    ],
    paths: pathsOf(operations),
    components: {
      schemas: Object.fromEntries(Object.entries(schemas.components).sort(([a], [b]) => (a < b ? -1 : 1))),
      parameters: PARAMETERS,
      headers: HEADERS,
      examples: errorExamples(reasons),
      securitySchemes: {
        credential: {
          type: "http",
          scheme: "bearer",
          description:
            "An API key (`tally_...`), a capability token or an access token of OIDC, where the server's setting `auth` is optional or required. A client certificate does as well. What a method needs is said with it: PERMISSION_DENIED.",
        },
      },
    },
  };
}

function isService(each: DescEnum | DescMessage | DescService | DescExtension): each is DescService {
  return each.kind === "service";
}

function pathsOf(operations: readonly Operation[]): Record<string, Record<string, Schema>> {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const { path, method, operation } of operations) {
    paths[path] ??= {};
    if (method in paths[path]) throw new TypeError(`expected one operation, got two for ${method} ${path}`);
    paths[path][method] = operation;
  }
  return paths;
}

const JSON_RULES = `JSON: an int64 is a string in answers ("42"), because a JSON number loses digits above 2^53. Requests take it as a string in plain decimal, or as a number up to 2^53-1 that is written as a whole one (5, and not 5.0). The names of fields are those given here, or with underscores as in the .proto files (\`mustExist\` or \`must_exist\`). What is not listed is refused, and so is a key that comes twice; null is the same as leaving a field out. Answers may grow by fields and by values of enums.`;

const key = { type: "string", minLength: 1, maxLength: 64 };

const PARAMETERS: Readonly<Record<string, Schema>> = {
  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Makes a retry safe: the requestId, as a header. Give one of them, or the same in both. 1 to 64 bytes of printable ASCII (0x21 to 0x7E); double quotes around it are taken off, and then a backslash stands before one within.",
    schema: { ...key, maxLength: 66, pattern: '^([!#-~][!-~]*|"[!#-\\[\\]-~]*")$' },
  },
  IfMatch: ifMatch(
    "Change the counter only if its etag is still this one: the etag, as a header, or what the ETag header of an answer has. Give one of them, or the same in both.",
  ),
  IfMatchSettings: ifMatch(
    "Change the settings only if the settingsEtag is still this one: the settingsEtag, as a header, or what the ETag header of a GET has. Give one of them, or the same in both. The etag alone is not it: that is about the value.",
  ),
  IfMatchRead: conditionOf(
    "If-Match",
    "Send the counter only if one of these still names it, else 412: what the ETag header of an answer had, or an etag or settingsEtag, in double quotes; `*` stands for any.",
  ),
  IfNoneMatch: conditionOf(
    "If-None-Match",
    "Send the counter only if none of these names it, else 304 and no body: what the ETag header of the answer had that the caller has; `*` stands for any.",
  ),
};

/** A condition of a GET: a list of etags. */
function conditionOf(name: string, description: string): Schema {
  // One without quotes is taken as well, and nothing between two commas, as RFC 9110 asks.
  const tag = '((W/)?"[ !#-~]*"|[!#-)+.-~-][!#-+.-~-]*)';
  return {
    name,
    in: "header",
    description,
    schema: { type: "string", pattern: `^(\\*|( *,)* *${tag} *(, *(${tag} *)?)*)$` },
  };
}

function ifMatch(description: string): Schema {
  return {
    name: "If-Match",
    in: "header",
    description: `${description} Double quotes around it are taken off; \`*\` stands for any, so only for a counter that exists.`,
    schema: { ...key, maxLength: 102, pattern: '^(\\*|"[!#-~]*"|[!#-+.0-~-][!#-+.-~-]*)$' },
  };
}

const HEADERS: Readonly<Record<string, Schema>> = {
  ETag: {
    description:
      "What names the answer, in double quotes, for If-Match and If-None-Match: the counter's etag after the call, and where the answer shows settings, which these are behind it (`.s1`).",
    schema: { type: "string", pattern: '^"[!#-~]{1,100}"$' },
    example: '"0199d3a7-5f0e-7c3b-8a43-2f6d1f0f8a51.4"',
  },
  RateLimitPolicy: {
    description:
      "The limits, an item a take, as structured fields (draft-ietf-httpapi-ratelimit-headers): `q` is the quota, `w` the seconds in which there is so much. Not with a replay.",
    schema: { type: "string" },
    example: '"api:ada";q=100;w=60',
  },
  RateLimit: {
    description:
      "How they stand: `r` may still be taken, and in `t` seconds there is more. Not with a replay.",
    schema: { type: "string" },
    example: '"api:ada";r=3;t=12',
  },
  RetryAfter: {
    description:
      "When to try again, in seconds, rounded up. At a bound or a limit: when a window's end or a refill will have made room for this amount; not there if nothing will.",
    schema: { type: "integer", minimum: 0 },
    example: 1,
  },
};
