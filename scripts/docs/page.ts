import { readFileSync } from "node:fs";
import type { Schema } from "../openapi/schema.ts";
import type { Parameter } from "./curl.ts";
import { Html, html, inline, prose } from "./html.ts";
import { type Operation, operationSection } from "./operation.ts";
import { fieldsOf } from "./schema.ts";

/** The document of OpenAPI for people: one page that runs nothing and loads nothing. */
export function pageOf(document: Schema): string {
  const { info, tags, components } = document as {
    info: { title: string; version: string; summary: string; description: string };
    tags: { name: string; description: string }[];
    components: {
      schemas: Record<string, Schema>;
      examples: Record<string, { value: { error: ErrorBody } }>;
    };
  };
  const operations = operationsIn(document);
  // Requests stand with their operations, and what belongs to errors in a section of its own.
  const messages = Object.entries(components.schemas).filter(
    ([name, { properties }]) =>
      properties !== undefined && !/Request$|^SimplePut$/.test(name) && !ERRORS.includes(name),
  );
  const enums = Object.entries(components.schemas).filter(
    ([name, schema]) => schema.enum !== undefined && name !== "ErrorReason",
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${info.title}: reference of REST</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${info.title} <small>${info.version}</small></h1>
<p>${info.summary}. For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1) and <a href="/descriptors.binpb">/descriptors.binpb</a> (Protobuf).</p>
</header>
<nav aria-label="Contents">
${tags.map(
  ({ name }) => html`<p>${titleOf(name)}</p>
<ul>${operations.filter((each) => each.tags.includes(name)).map(({ operationId }) => entry(operationId))}</ul>
`,
)}<p>More</p>
<ul>${["Messages", "Errors"].map(entry)}</ul>
</nav>
<main>
<section id="About">
<h2>About</h2>
${prose(info.description)}</section>
${tags.map(
  ({ name, description }) => html`<h2>${titleOf(name)}</h2>
${prose(description)}${operations
  .filter((each) => each.tags.includes(name))
  .map((each) => operationSection(each, components.schemas))}`,
)}<section id="Messages">
<h2>Messages</h2>
${messages.map(([name, schema]) => messageSection(name, schema))}${enums.map(
  ([name, { description }]) => html`<section id="${name}">
<h3>${name}</h3>
${prose(`${description}`)}</section>
`,
)}</section>
<section id="Errors">
<h2>Errors</h2>
${prose(`${components.schemas.Error!.description}`)}${prose(`${components.schemas.ErrorReason!.description}`.split("\n\n- ")[0]!)}${Object.entries(
  components.examples,
).map(([reason, { value }]) => reasonSection(reason, value.error, components.schemas.ErrorReason!))}</section>
</main>
</body>
</html>
`.text;
}

interface ErrorBody {
  readonly code: number;
  readonly status: string;
  readonly message: string;
}

const STYLE = new Html(readFileSync(new URL("style.css", import.meta.url), "utf8"));
const ERRORS = ["Error", "ErrorInfo", "BadRequest", "RetryInfo"];

function operationsIn({ paths, components }: Schema): Operation[] {
  const shared = (components as { parameters: Record<string, Parameter> }).parameters;
  return Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method,
      path,
      parameters: operation.parameters.map((each) =>
        typeof each.$ref === "string" ? shared[each.$ref.slice(each.$ref.lastIndexOf("/") + 1)]! : each,
      ),
    })),
  );
}

function titleOf(tag: string): string {
  return tag === "Simple" ? "The simple paths" : "Counters";
}

function entry(id: string): Html {
  return html`<li><a href="#${id}">${id}</a></li>\n`;
}

function messageSection(name: string, schema: Schema): Html {
  return html`<section id="${name}">
<h3>${name}</h3>
${prose((schema.description ?? "") as string)}${fieldsOf(schema)}</section>
`;
}

/** A reason: when, and what the message then says. */
function reasonSection(reason: string, { code, status, message }: ErrorBody, { description }: Schema): Html {
  const line = `${description}`.split("\n").find((each) => each.startsWith(`- \`${reason}\`: `))!;
  return html`<section id="${reason}">
<h3>${reason} <small>${`${code}`} ${status}</small></h3>
<p>${inline(line.slice(line.indexOf(": ") + 2))}</p>
<pre><code>${message}</code></pre>
</section>
`;
}
