/** Whether traces are asked for, by OpenTelemetry's own variables: nothing that it says of one is what the variable has in secret. */
import { expect, it } from "vitest";
import { OtlpError, otlpAskedIn } from "../../src/telemetry/otlp-asked.ts";

const [ALL, TRACES] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
const URL = "http://127.0.0.1:4318";

it.each([
  ["nothing says where to", {}],
  ["what says it is empty", { [ALL]: "", [TRACES]: "" }],
  ["it is said for metrics alone", { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: URL }],
  ["the SDK is disabled", { [ALL]: URL, OTEL_SDK_DISABLED: "TRUE" }],
  ["no traces are to be exported", { [ALL]: URL, OTEL_TRACES_EXPORTER: "none" }],
])("they are not where %s", (_, env) => expect(otlpAskedIn(env)).toBeUndefined());

const PROTOBUF = "http/protobuf";
it.each([
  ["for all", { [ALL]: URL }, ALL, PROTOBUF],
  ["for traces", { [ALL]: "http://other:4318", [TRACES]: URL }, TRACES, PROTOBUF],
  ["and the SDK is not disabled", { [ALL]: URL, OTEL_SDK_DISABLED: "false" }, ALL, PROTOBUF],
  [
    "and how many at once",
    { [ALL]: URL, OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1", OTEL_BSP_SCHEDULE_DELAY: "0" },
    ALL,
    PROTOBUF,
  ],
  ["and numbers are empty", { [ALL]: URL, OTEL_BSP_MAX_QUEUE_SIZE: "" }, ALL, PROTOBUF],
  ["and by what", { [ALL]: URL, OTEL_TRACES_EXPORTER: "otlp" }, ALL, PROTOBUF],
  ["and in JSON", { [ALL]: URL, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }, ALL, "http/json"],
  [
    "and in JSON for traces",
    { [ALL]: URL, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" },
    ALL,
    "http/json",
  ],
])("they are where it is said where to, %s", (_, env, variable, protocol) =>
  expect(otlpAskedIn(env)).toEqual({ variable, endpoint: URL, protocol, queueMax: 2_048 }),
);

it("and so many spans may wait as the SDK's variable has it", () => {
  expect(otlpAskedIn({ [ALL]: URL, OTEL_BSP_MAX_QUEUE_SIZE: "007" })).toMatchObject({ queueMax: 7 });
});

it.each([
  [
    { [ALL]: URL, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    'OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"; expected http/protobuf or http/json: Tally sends traces over HTTP, which collectors take on port 4318.',
  ],
  [
    { [ALL]: URL, OTEL_TRACES_EXPORTER: "zipkin" },
    'OTEL_TRACES_EXPORTER is "zipkin"; expected otlp, by which alone Tally sends traces, or none.',
  ],
  ...[
    ["OTEL_BSP_MAX_QUEUE_SIZE", "0", 1],
    ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", 1],
    ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", 1],
    ["OTEL_BSP_SCHEDULE_DELAY", "5s", 0],
    ["OTEL_BSP_EXPORT_TIMEOUT", "1e9", 1],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "99999999999", 1],
    ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", " ", 1],
  ].map(
    ([name, value, least]) =>
      [
        { [ALL]: URL, [`${name}`]: `${value}` },
        `${name} is ${JSON.stringify(value)}; expected a whole number, ${least} or more.`,
      ] as const,
  ),
  ...["127.0.0.1:4318", "user:secret@collector", "grpc://x:4317", "unix:/run/otel", "http://", " "].map(
    (endpoint) =>
      [{ [ALL]: endpoint }, `${ALL} is no URL of HTTP; expected one such as http://127.0.0.1:4318.`] as const,
  ),
] as const)("%j is refused", (env, sentence) => {
  expect(() => otlpAskedIn(env)).toThrow(new OtlpError(sentence));
});
