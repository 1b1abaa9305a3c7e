import type { Schema } from "../openapi/schema.ts";
import { curlOf, type Parameter } from "./curl.ts";
import { type Html, html, prose } from "./html.ts";
import { field, fieldsOf, link } from "./schema.ts";

/** An operation of the document, with its references to parameters looked up. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly description?: string; readonly content: Content };
  readonly responses: Readonly<
    Record<string, { readonly headers?: Schema; readonly content?: Content } & Schema>
  >;
}

interface Content {
  readonly "application/json"?: Described;
  /** Of what streams. */
  readonly "application/x-ndjson"?: Described;
}

interface Described {
  readonly schema: Schema;
  readonly example?: unknown;
  readonly examples?: object;
}

/** All about one operation. */
export function operationSection(operation: Operation, schemas: Readonly<Record<string, Schema>>): Html {
  const { operationId, method, path, description, parameters, requestBody, responses } = operation;
  const body = requestBody?.content["application/json"];
  const { content, ...told } = responses["200"]!;
  const lines = content!["application/x-ndjson"];
  const answer = (lines ?? content!["application/json"])!;
  return html`<section id="${operationId}">
<h3>${operationId}</h3>
<p class="path"><span class="method ${method}">${method.toUpperCase()}</span> <code>${path}</code></p>
${prose(description)}<pre class="copy"><code>${curlOf(method, path, parameters, body?.example)}</code></pre>
${example(answer.example)}${parametersOf(parameters)}${body === undefined ? "" : bodyOf(body.schema, requestBody?.description, schemas)}<h4>Answer</h4>
<p>200 with ${lines === undefined ? bodyLink(answer.schema) : linesLink(lines.schema)}${headersOf(told)}.</p>
${notModified(responses["304"])}${errorsOf(responses)}</section>
`;
}

function bodyLink({ $ref }: Schema): Html | string {
  return $ref === undefined ? "a body" : link($ref as string);
}

/** What a line may be. */
function linesLink({ anyOf }: Schema): Html {
  const [line] = anyOf as [{ properties: { result: Schema } }, Schema];
  const result = link(line.properties.result.$ref as string);
  return html`lines of JSON: <code>{"result": ...}</code> with ${result}, and as the last an <a href="#Errors">error</a> if it ended so`;
}

function example(value: unknown): Html {
  return value === undefined ? html`` : html`<pre><code>${JSON.stringify(value, null, 2)}</code></pre>\n`;
}

function parametersOf(parameters: readonly Parameter[]): Html {
  const places = [
    ["path", "In the path"],
    ["query", "In the query"],
    ["header", "Headers"],
  ] as const;
  return html`${places.map(([place, title]) => {
    const here = parameters.filter((each) => each.in === place);
    if (here.length === 0) return html``;
    const fields = here.map(({ name, schema, description, required }) =>
      field(name, { ...schema, description }, required === true ? "required" : ""),
    );
    return html`<h4>${title}</h4>\n<dl>${fields}</dl>\n`;
  })}`;
}

function bodyOf(schema: Schema, note: string | undefined, schemas: Readonly<Record<string, Schema>>): Html {
  const name = (schema.$ref as string).slice((schema.$ref as string).lastIndexOf("/") + 1);
  return html`<h4>In the body</h4>\n${prose(note ?? "")}${fieldsOf(schemas[name]!)}`;
}

function headersOf({ headers }: { readonly headers?: Schema }): string {
  const names = Object.keys(headers ?? {});
  return names.length === 0 ? "" : `, and the header ${names.join(", ")}`;
}

function notModified(response: Schema | undefined): Html {
  return response === undefined ? html`` : html`<p>304 without one: ${`${response.description}`}</p>\n`;
}

/** The reasons by status; what each means stands once, at the end. */
function errorsOf(responses: Operation["responses"]): Html {
  const rows = Object.entries(responses)
    .filter(([status]) => Number(status) >= 400)
    .map(([status, { content, headers }]) => {
      const reasons = Object.keys(content!["application/json"]!.examples ?? {});
      const links = reasons.map(
        (reason, index) => html`${index === 0 ? "" : ", "}<a href="#${reason}">${reason}</a>`,
      );
      return html`<dt>${status}</dt><dd>${links}${headers === undefined ? "" : ", with Retry-After where it is known when it passes"}</dd>\n`;
    });
  return html`<h4>Errors</h4>\n<dl class="errors">${rows}</dl>\n`;
}
