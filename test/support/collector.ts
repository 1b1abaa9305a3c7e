/** A collector of traces: what is sent to it by OTLP over HTTP, as JSON, and what it is made to answer. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that came. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A span as OTLP has it, its attributes as an object. */
export interface SentSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Of the process that sent it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

export class Collector {
  readonly received: Received[] = [];
  /** The status of answers; "none": it takes requests, and never answers. */
  answers: number | "none" = 200;
  readonly #server: Server;
  readonly #unanswered = new Set<ServerResponse>();

  private constructor() {
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        this.received.push({ path: request.url!, headers: request.headers, body: Buffer.concat(pieces) });
        if (this.answers === "none") this.#unanswered.add(response);
        else response.writeHead(this.answers, { "content-type": "application/json" }).end("{}");
      });
    });
  }

  /** @param port  a free one unless given */
  static async open(port = 0): Promise<Collector> {
    const collector = new Collector();
    await once(collector.#server.listen(port, "127.0.0.1"), "listening");
    return collector;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** All that were sent as JSON, and taken. */
  get spans(): SentSpan[] {
    return this.received
      .filter(({ headers }) => headers["content-type"] === "application/json")
      .flatMap(({ body }) => (JSON.parse(body.toString()) as Sent).resourceSpans)
      .flatMap(({ resource, scopeSpans }) =>
        scopeSpans
          .flatMap(({ spans }) => spans)
          .map(({ attributes, parentSpanId, links = [], ...span }) => ({
            ...span,
            parentSpanId: parentSpanId || undefined,
            links: links.map(({ traceId, spanId }) => ({ traceId, spanId })),
            attributes: objectOf(attributes),
            resource: objectOf(resource.attributes),
          })),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly SpanAsSent[] }[];
  }[];
}

interface SpanAsSent extends Pick<SentSpan, "name" | "traceId" | "spanId" | "kind"> {
  readonly parentSpanId?: string;
  readonly attributes: readonly Attribute[];
  readonly links?: SentSpan["links"];
}

interface Attribute {
  readonly key: string;
  /** One of "stringValue", "intValue" and so on. */
  readonly value: Readonly<Record<string, unknown>>;
}

function objectOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
