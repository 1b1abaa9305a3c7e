/** Traces that are asked for by OpenTelemetry's own variables, and how they are to be sent. */
export interface OtlpAsked {
  /** The variable that says where to. */
  readonly variable: string;
  readonly endpoint: string;
  readonly protocol: OtlpProtocol;
  /** How many spans may wait to be sent. */
  readonly queueMax: number;
}

/** How spans are written, over HTTP. */
export type OtlpProtocol = (typeof PROTOCOLS)[number];

const PREFIX = "OTEL_EXPORTER_OTLP_";
const PROTOCOLS = ["http/protobuf", "http/json"] as const;

/** What is asked for cannot be done: one sentence for the operator. */
export class OtlpError extends Error {
  override readonly name = "OtlpError";
}

/**
 * Whether traces are to be sent: where somebody has said where to. What else these variables say (how many spans at once,
 * headers, time limits, the service's name) is OpenTelemetry's own, which reads it by itself.
 *
 * @param env  an empty variable counts as not set
 * @returns    undefined where they are not
 * @throws OtlpError  never with a value that may hold a credential
 */
export function otlpAskedIn(env: Readonly<Record<string, string | undefined>>): OtlpAsked | undefined {
  const variable = [`${PREFIX}TRACES_ENDPOINT`, `${PREFIX}ENDPOINT`].find((each) => env[each]);
  if (variable === undefined || env.OTEL_SDK_DISABLED?.toLowerCase() === "true") return undefined;
  const exporter = env.OTEL_TRACES_EXPORTER || "otlp";
  if (exporter === "none") return undefined;
  if (exporter !== "otlp")
    throw new OtlpError(
      `OTEL_TRACES_EXPORTER is ${JSON.stringify(exporter)}; expected otlp, by which alone Tally sends traces, or none.`,
    );
  const endpoint = env[variable]!;
  if (!isHttp(endpoint))
    throw new OtlpError(`${variable} is no URL of HTTP; expected one such as http://127.0.0.1:4318.`);
  for (const [name, least] of Object.entries(NUMBERS)) assertNumber(name, env[name], least);
  const queueMax = Number(env.OTEL_BSP_MAX_QUEUE_SIZE || QUEUE_MAX);
  return { variable, endpoint, protocol: protocolIn(env), queueMax };
}

/** As the specification has it. */
const QUEUE_MAX = 2_048;

/** What the SDK would take otherwise without a word, or, a batch of none, would never be done with; and the least that each may be. */
const NUMBERS: Readonly<Record<string, number>> = {
  OTEL_BSP_MAX_QUEUE_SIZE: 1,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 1,
  OTEL_BSP_SCHEDULE_DELAY: 0,
  OTEL_BSP_EXPORT_TIMEOUT: 1,
  [`${PREFIX}TIMEOUT`]: 1,
  [`${PREFIX}TRACES_TIMEOUT`]: 1,
};

function assertNumber(name: string, value: string | undefined, least: number): void {
  if (!value || (/^\d{1,9}$/.test(value) && Number(value) >= least)) return;
  throw new OtlpError(`${name} is ${JSON.stringify(value)}; expected a whole number, ${least} or more.`);
}

function protocolIn(env: Readonly<Record<string, string | undefined>>): OtlpProtocol {
  const variable = [`${PREFIX}TRACES_PROTOCOL`, `${PREFIX}PROTOCOL`].find((each) => env[each]);
  if (variable === undefined) return "http/protobuf"; // As the specification has it.
  const protocol = PROTOCOLS.find((each) => each === env[variable]);
  if (protocol !== undefined) return protocol;
  throw new OtlpError(
    `${variable} is ${JSON.stringify(env[variable])}; expected ${PROTOCOLS.join(" or ")}: Tally sends traces over HTTP, ` +
      "which collectors take on port 4318.",
  );
}

function isHttp(endpoint: string): boolean {
  return URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol);
}
