import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { http as httpOption } from "../../../gen/google/api/annotations_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { messageOf } from "../../core/messages.ts";
import { sendUnimplemented } from "../connect/error.ts";
import { formatOfCall } from "../connect/formats.ts";
import { shortened } from "../json/parse.ts";
import { parseTemplate, patternOf, type Template } from "../rest/template.ts";
import { verbsSaid } from "../rest/verbs.ts";
import type { HttpRoute } from "./engine.ts";
import { isGrpc, sendRefusal } from "./message.ts";
import { targetOf } from "./target.ts";

/** Answers what nothing else has: that there is no such path, and which one may be meant. */
export function unknownPathRoute(calls: readonly { readonly method: DescMethod }[]): HttpRoute {
  let meant: ReturnType<typeof pathsMeant> | undefined; // Most starts have nobody who asks for what there is not.
  return (request, response) => {
    meant ??= pathsMeant(calls);
    const expected = meant(targetOf(request).path);
    const refusal: Refusal = { code: "PATH_NOT_FOUND", ...(expected !== undefined && { expected }) };
    const format = formatOfCall(request);
    if (format !== undefined) {
      sendUnimplemented(format, messageOf(refusal), response);
      return true;
    }
    const type = request.header("content-type") ?? "";
    if (isGrpc(type)) {
      const expected = "is of gRPC, which goes over HTTP/2; here it must be that of a path in /openapi.json";
      sendRefusal(response, { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got: shortened(type) });
      return true;
    }
    if (request.method === "OPTIONS" && request.target === "*") {
      response.send(204, { allow: "GET, HEAD, POST, PUT, PATCH, DELETE" }); // Of the server as a whole.
      return true;
    }
    sendRefusal(response, refusal);
    return true;
  };
}

/** What is served beside the methods' own paths. */
const OTHERS = [
  "/counters/{name}/increment",
  "/counters/{name}/decrement",
  "/counters/{name}",
  "/livez",
  "/readyz",
  "/metrics",
  "/docs",
  "/openapi.json",
  "/descriptors.binpb",
];

/** For a path that is none: a clause with what may be meant, undefined where nothing is near. */
function pathsMeant(calls: readonly { readonly method: DescMethod }[]): (path: string) => string | undefined {
  const services = new Set(calls.map(({ method: { parent } }) => parent));
  const patterns = calls.flatMap(({ method }) => {
    const rule = getOption(method, httpOption);
    return [rule, ...rule.additionalBindings].map((each) => patternOf(each)[1]);
  });
  const templates = patterns.map(parseTemplate);
  // Those that say most first: "/v1/counters/{name}" fits all that others do.
  const paths = [
    ...calls.map(({ method: { name, parent } }) => `/${parent.typeName}/${name}`),
    ...patterns,
    ...OTHERS,
  ].sort((a, b) => b.length - a.length);
  return (path) => {
    const near = paths.find((each) => fits(each, path));
    if (near !== undefined) return `mind case and slashes: it is ${near}`;
    const segments = path.split("/").slice(1);
    if (segments.length === 0) return undefined; // "*", which is the server as a whole.
    const service = [...services].find(
      ({ typeName }) => typeName.toLowerCase() === segments[0]?.toLowerCase(),
    );
    if (service !== undefined) {
      const { typeName, methods } = service;
      const like = methodsLike(
        methods.map(({ name }) => name),
        segments[1] ?? "",
      );
      return like === ""
        ? `${typeName} has no such method; /openapi.json has all`
        : `the method may be ${like}`;
    }
    if (/^\/counters\/[^/]+\/[^/]*$/.test(path)) {
      return "behind /counters/NAME stands /increment, /decrement or nothing; a / of the name is %2F";
    }
    const said = collectionSaid(templates, segments) ?? verbsSaid(templates, segments)?.sentence;
    if (said !== undefined) return said;
    if (templates.some((template) => isBelowName(template, segments)))
      return "a name is one segment, a / of it is %2F; /openapi.json has all paths";
    return /^\/counters\/?$/.test(path) ? "counters are listed at /v1/counters" : undefined;
  };
}

/**
 * What is said of a path that ends in a literal of ours: of what stands behind its ":", as in /v1/counters:list, or of what
 * it lacks, as /v1/limits does; undefined of another.
 */
function collectionSaid(templates: readonly Template[], segments: readonly string[]): string | undefined {
  const [last] = segments.at(-1)!.split(":");
  const literals = [...segments.slice(0, -1), last!];
  const same = templates.filter((template) => isOfLiterals(template, literals));
  const verbs = same.map(({ verb }) => verb).filter((verb) => verb !== "");
  if (verbs.length > 0) return `what stands behind ${pathOf(same[0]!)} is one of ${verbs.join(", ")}`;
  if (same.length > 0) return `${pathOf(same[0]!)} has no verbs`;
  const named = templates.find(({ segments, verb }) =>
    isOfLiterals({ segments: segments.slice(0, -1), verb }, literals),
  );
  return named && `it is ${pathOf(named)}${named.verb}`;
}

/** Whether a path is of a template that ends in a literal, whatever its case, its fields and its verb. */
function isOfLiterals({ segments }: Template, path: readonly string[]): boolean {
  return (
    segments.length === path.length &&
    "literal" in segments.at(-1)! &&
    segments.every((segment, i) =>
      "field" in segment ? path[i] !== "" : segment.literal === path[i]!.toLowerCase(),
    )
  );
}

function pathOf({ segments }: Template): string {
  return segments.map((each) => `/${"field" in each ? `{${each.field}}` : each.literal}`).join("");
}

/** Whether a path goes on behind what a template has a name for: a name with a "/" in it, it may be. */
function isBelowName({ segments }: Template, path: readonly string[]): boolean {
  const name = segments.findIndex((segment) => "field" in segment);
  const before = segments.slice(0, name);
  return (
    name !== -1 &&
    path.length > name + 1 &&
    path[name] !== "" &&
    before.every((segment, i) => "literal" in segment && segment.literal === path[i])
  );
}

/** Whether a path is that of a template but for case, and slashes too many. */
function fits(template: string, path: string): boolean {
  const [wanted, given] = [template, path].map((each) => each.split("/").filter((segment) => segment !== ""));
  return (
    wanted!.length === given!.length &&
    wanted!.every((segment, i) => {
      const [, verb] = /^\{[a-z_]+\}(.*)$/.exec(segment) ?? [];
      if (verb === undefined) return segment.toLowerCase() === given![i]!.toLowerCase();
      return given![i]!.toLowerCase().endsWith(verb.toLowerCase());
    })
  );
}

/** Those methods that begin most like a name, if they begin so in two letters at least. */
function methodsLike(methods: readonly string[], name: string): string {
  const alike = (method: string) => {
    let at = 0;
    while (at < name.length && name[at]!.toLowerCase() === method[at]?.toLowerCase()) at++;
    return at;
  };
  const most = Math.max(...methods.map(alike));
  return most < 2 ? "" : methods.filter((method) => alike(method) === most).join(" or ");
}
