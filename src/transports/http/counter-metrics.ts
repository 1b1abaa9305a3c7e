import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Counter } from "../../../gen/tally/v1/counter_pb.ts";
import {
  CounterService,
  ListCountersRequestSchema,
  ListCountersResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { EXPOSITION_TYPE, labelText } from "../../telemetry/exposition.ts";
import type { Refused, UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import { shortened } from "../json/parse.ts";
import { admitOverHttp, answerOverHttp, type HttpCallOptions } from "./call.ts";
import type { HttpRequest, HttpResponse, HttpRoute } from "./engine.ts";
import { isMethodRefused, sendRefusal } from "./message.ts";
import { parametersOf, targetOf, textOf } from "./target.ts";

/**
 * The values of counters, as Prometheus reads them, at /metrics/counters?prefix=shop.&labels=team,env: for who may read the
 * prefix, by ListCounters, which also says who that is. What is asked for comes whole or is refused: a graph of some of the
 * counters would be taken for one of all.
 *
 * @param options.countersMax  how many at most
 */
export function counterMetricsRoute(
  calls: readonly UnaryCall[],
  options: HttpCallOptions & { readonly countersMax: number },
): HttpRoute {
  const call = calls.find(({ method }) => method === CounterService.method.listCounters)!;
  return (request, response) => {
    const { path, query } = targetOf(request);
    if (path !== PATH) return false;
    if (isMethodRefused(request, response, ["GET"])) return true;
    return answered(call, request, response, { ...options, query });
  };
}

const PATH = "/metrics/counters";

async function answered(
  call: UnaryCall,
  request: HttpRequest,
  response: HttpResponse,
  options: HttpCallOptions & { readonly countersMax: number; readonly query: string },
): Promise<true> {
  const admitted = await admitOverHttp(call, request, options);
  if ("code" in admitted) return refuse(response, admitted);
  const asked = askedIn(options.query);
  if ("code" in asked) return refuse(response, asked);
  const counters: Counter[] = [];
  for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
    const { prefix } = asked;
    const page = create(ListCountersRequestSchema, { prefix, pageToken, pageSize: PAGE });
    const message = Buffer.from(toBinary(ListCountersRequestSchema, page));
    const answer = await answerOverHttp(call, admitted, message, request, response, options.log);
    if ("code" in answer) return refuse(response, answer);
    const found = fromBinary(ListCountersResponseSchema, answer);
    counters.push(...found.counters);
    if (counters.length > options.countersMax) return refuse(response, tooManyOf(options.countersMax));
    pageToken = found.nextPageToken || undefined;
  }
  const text = textOfCounters(counters, asked.labels);
  response.send(
    200,
    {
      "content-type": EXPOSITION_TYPE,
      "cache-control": "no-store",
      "content-length": Buffer.byteLength(text),
    },
    text,
  );
  return true;
}

function refuse(response: HttpResponse, refusal: Refused): true {
  sendRefusal(response, refusal);
  return true;
}

const PAGE = 1_000;

/** What a query asks for. */
interface MetricsQuery {
  readonly prefix: string;
  /** By the names that labels have in Prometheus, what they are called here. */
  readonly labels: ReadonlyMap<string, string>;
}

function askedIn(query: string): MetricsQuery | Refusal {
  const parameters = parametersOf(query);
  if (parameters === undefined)
    return { code: "MALFORMED_MESSAGE", part: "query", expected: "must have whole escapes (%25 for %)" };
  const given = new Map<string, string>();
  for (const [name, value] of parameters) {
    const text = textOf(value);
    if (text === undefined) return invalidField(shortened(name), "must be UTF-8, percent-encoded", undefined);
    if (name !== "prefix" && name !== "labels")
      return invalidField(
        shortened(name),
        "is not a parameter of /metrics/counters: prefix and labels are",
        undefined,
      );
    if (given.has(name)) return invalidField(name, "must be given once", undefined);
    given.set(name, text);
  }
  const labels = labelsIn(given.get("labels") ?? "");
  return "code" in labels ? labels : { prefix: given.get("prefix") ?? "", labels };
}

function labelsIn(text: string): MetricsQuery["labels"] | Refusal {
  const labels = new Map<string, string>();
  for (const key of text === "" ? [] : text.split(",")) {
    if (!/^[a-z0-9_.-]{1,63}$/.test(key))
      return invalidField("labels", "must be keys of labels, with commas between them", key);
    const name = `label_${key.replaceAll(/[.-]/g, "_")}`;
    const before = labels.get(name);
    if (before !== undefined)
      return invalidField(
        "labels",
        `must have other names in Prometheus, where ${before} is ${name} too`,
        key,
      );
    if (labels.size === LABELS_MAX) return invalidField("labels", `must be at most ${LABELS_MAX}`, undefined);
    labels.set(name, key);
  }
  return labels;
}

/** As many as a counter has at most. */
const LABELS_MAX = 32;

function tooManyOf(most: number): Refusal {
  return invalidField(
    "prefix",
    `must begin the names of at most ${most} counters (metrics-counters-max); ask for a longer one`,
    undefined,
  );
}

/** Prometheus has floats: it loses the last digits of what is beyond 2^53, which stand here. */
function textOfCounters(counters: readonly Counter[], labels: MetricsQuery["labels"]): string {
  if (counters.length === 0) return "";
  const lines = counters.map((counter) => {
    const pairs = [["name", counter.name]];
    for (const [name, key] of labels)
      if (Object.hasOwn(counter.labels, key)) pairs.push([name, counter.labels[key]!]);
    return `${NAME}{${pairs.map(([name, value]) => `${name}="${labelText(value!)}"`).join(",")}} ${counter.value}\n`;
  });
  return `# HELP ${NAME} The values of counters.\n# TYPE ${NAME} gauge\n${lines.join("")}`;
}

const NAME = "tally_counter_value";
