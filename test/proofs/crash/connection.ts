import { type ClientHttp2Session, connect, constants } from "node:http2";
import { type DescMethodUnary, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";

/** The server's answer to one attempt: a message, or why not. */
export type Answer<Response> =
  | { readonly ok: true; readonly message: Response }
  | {
      readonly ok: false;
      /** The gRPC status code. */
      readonly status: number;
      /** The reason of Tally's own ErrorInfo; undefined when the error is not Tally's, and so tells nothing. */
      readonly reason: string | undefined;
      readonly metadata: Readonly<Record<string, string>>;
      readonly text: string;
    };

/** An attempt that got no answer: the change may or may not have been made. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}

/** An attempt that never left: the server had said that it takes no more here. */
export class NotSent extends Unanswered {}

/**
 * A gRPC connection on bare node:http2, for tests that must see each attempt as it is: no retries, no backoff, no
 * reconnecting behind the caller's back. An answer counts only when it is there whole.
 */
export class Connection {
  readonly #session: ClientHttp2Session;
  #closed = false;
  /** The last call that the server says it has taken. */
  #lastTaken = Number.POSITIVE_INFINITY;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
    session.on("close", () => {
      this.#closed = true;
    });
    session.on("error", () => {}); // Each call in flight gets an error of its own.
    session.on("goaway", (_, lastTaken) => {
      this.#closed = true;
      this.#lastTaken = lastTaken!;
    });
  }

  /** @throws Unanswered when nobody listens there */
  static open(port: number): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const session = connect(`http://127.0.0.1:${port}`);
    const connection = new Connection(session);
    session.once("connect", () => resolve(connection));
    session.once("close", () => reject(new Unanswered("the connection was refused")));
    return promise;
  }

  /** False once the server has gone, or has said that it takes no more calls here. */
  get usable(): boolean {
    return !this.#closed;
  }

  /**
   * One attempt at a unary call.
   *
   * @param timeoutMs  after this long without an answer the attempt is given up: it is to tell a hanging server
   *                   from a slow one, and no deadline is sent
   * @throws Unanswered
   */
  call<M extends DescMethodUnary>(
    method: M,
    request: MessageShape<M["input"]>,
    timeoutMs = 30_000,
  ): Promise<Answer<MessageShape<M["output"]>>> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer<MessageShape<M["output"]>>>();
    if (this.#closed) return Promise.reject(new Unanswered("the connection is closed"));
    const path = `/${method.parent.typeName}/${method.name}`;
    const stream = this.#session.request(
      { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
      { endStream: false },
    );
    const chunks: Buffer[] = [];
    let headers: NodeJS.Dict<string | string[]> = {};
    stream.on("response", (received) => {
      headers = { ...received };
    });
    stream.on("trailers", (received) => {
      headers = { ...headers, ...received };
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {}); // "close" follows.
    stream.setTimeout(timeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on("close", () => {
      try {
        const answer = toAnswer(method, headers, Buffer.concat(chunks));
        // What it had not sent by then node:http2 refuses in the server's name, and so what the server did not take.
        const refused = this.#closed && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
        if (refused && stream.id! <= this.#lastTaken) reject(new NotSent(`${method.name} was not sent`));
        else if (answer === undefined) reject(new Unanswered(`${method.name} has no answer`));
        else resolve(answer);
      } catch (error) {
        reject(error); // The bytes are no message of this method.
      }
    });
    stream.end(framed(toBinary(method.input, request)));
    return promise;
  }

  close(): void {
    this.#session.destroy();
  }
}

function toAnswer<M extends DescMethodUnary>(
  method: M,
  headers: NodeJS.Dict<string | string[]>,
  body: Buffer,
): Answer<MessageShape<M["output"]>> | undefined {
  const status = headers["grpc-status"];
  if (status === "0") {
    if (body.length < FRAME_HEAD || body.length !== FRAME_HEAD + body.readUInt32BE(1)) return undefined;
    const message = fromBinary(method.output, body.subarray(FRAME_HEAD)) as MessageShape<M["output"]>;
    return { ok: true, message };
  }
  if (status === undefined) return undefined;
  const details = headers["grpc-status-details-bin"];
  const info = typeof details === "string" ? errorInfo(Buffer.from(details, "base64")) : undefined;
  const ours = info?.domain === "tally" ? info : undefined;
  const text = decodeURIComponent(String(headers["grpc-message"] ?? ""));
  return { ok: false, status: Number(status), reason: ours?.reason, metadata: ours?.metadata ?? {}, text };
}

function errorInfo(bytes: Uint8Array) {
  for (const any of fromBinary(StatusSchema, bytes).details) {
    const info = anyUnpack(any, ErrorInfoSchema);
    if (info !== undefined) return info;
  }
  return undefined;
}

/** gRPC's frame: a byte for "not compressed", four for the length, then the message. */
const FRAME_HEAD = 5;

function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, FRAME_HEAD);
  return bytes;
}
