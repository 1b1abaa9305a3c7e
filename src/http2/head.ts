import { fieldIn } from "./fields.ts";
import type { FieldSink } from "./hpack/decoder.ts";

/** The headers of a request, which are well-formed (RFC 9113, section 8.3.1). */
export interface RequestHead {
  /** ":method", as it was sent. */
  readonly method: string;
  /** ":scheme", in lower case; "" of a CONNECT. */
  readonly scheme: string;
  /** ":path", as it was sent: a path and a query, or "*". */
  readonly path: string;
  /** ":authority", or "host" where that is absent; "" without either. */
  readonly authority: string;
  /** All other fields in their order, names and values in turn; names in lower case, values one character an octet. */
  readonly fields: readonly string[];
  /** "content-length"; -1 without it. */
  readonly contentLength: number;
  /** What all fields take, as RFC 9113, section 6.5.2 counts. */
  readonly listBytes: number;
  /**
   * Whatever a reader wants to remember: requests of one connection that were sent in the same bytes have the same head,
   * so that what was found out of its fields need not be found out again. Undefined at first.
   */
  memo: unknown;
  /** A field by its name in lower case; several of one name joined (RFC 9110, section 5.3; RFC 9113, section 8.2.3). */
  field(name: string): string | undefined;
}

/**
 * A header list as its fields come: of a request, or of what follows a body (trailers). It is judged field by field,
 * and at its end as what it turns out to be.
 */
export class FieldList implements FieldSink, RequestHead {
  method = "";
  scheme = "";
  path = "";
  authority = "";
  readonly fields: string[] = [];
  contentLength = -1;
  listBytes = 0;
  memo: unknown = undefined;
  /** Whether it is larger than it may be; what came beyond that is not in `fields`. */
  oversized = false;
  readonly #bytesMax: number;
  #host = "";
  #pseudo = false;
  /** What is wrong with it; undefined so far. */
  #fault: string | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(name: string, value: string, bytes: number, valid: boolean): void {
    this.listBytes += bytes;
    if (this.listBytes > this.#bytesMax) this.oversized = true;
    else if (!valid) this.#fault ??= "a name or a value that HTTP does not allow";
    else if (name.startsWith(":")) this.#addPseudo(name, value);
    else {
      this.#judge(name, value);
      this.fields.push(name, value);
    }
  }

  field(name: string): string | undefined {
    return fieldIn(this.fields, name);
  }

  /**
   * What is wrong with it as the headers of a request; undefined: nothing (RFC 9113, sections 8.1.1 and 8.3.1). Of one
   * that is oversized only what came within its bounds is judged.
   */
  requestFault(): string | undefined {
    if (this.#fault !== undefined || this.oversized) return this.#fault;
    if (this.method === "") return "no :method";
    if (this.method === "CONNECT") {
      return this.scheme === "" && this.path === "" && this.authority !== ""
        ? undefined
        : "a CONNECT that is none";
    }
    if (this.scheme === "") return "no :scheme";
    if (this.path === "") return "no :path";
    if (this.#host === "") return undefined;
    if (this.authority === "") this.authority = this.#host;
    return this.authority.toLowerCase() === this.#host.toLowerCase() ? undefined : "host is not :authority";
  }

  /** The same as trailers, which have no pseudo-headers (RFC 9113, section 8.1). */
  trailerFault(): string | undefined {
    return (
      this.#fault ??
      (this.#pseudo ? "a pseudo-header in trailers" : this.oversized ? "trailers too large" : undefined)
    );
  }

  /** Pseudo-headers come first, each once, and there are no others (RFC 9113, section 8.3). */
  #addPseudo(name: string, value: string): void {
    this.#pseudo = true;
    if (this.fields.length > 0) this.#fault ??= "a pseudo-header behind other fields";
    else if (name === ":method") this.method = this.#once(name, this.method, value, TOKEN);
    else if (name === ":scheme") this.scheme = this.#once(name, this.scheme, value, SCHEME).toLowerCase();
    else if (name === ":path") this.path = this.#once(name, this.path, value, PATH);
    else if (name === ":authority") this.authority = this.#once(name, this.authority, value, AUTHORITY);
    else this.#fault ??= "a pseudo-header that is none of a request"; // ":protocol" too: SETTINGS offers none (RFC 8441).
  }

  #once(name: string, before: string, value: string, form: RegExp): string {
    if (before !== "" || !form.test(value)) this.#fault ??= `${name} twice, or of another form`;
    return value;
  }

  /** What a field may not be beside its octets. */
  #judge(name: string, value: string): void {
    switch (name) {
      case "connection":
      case "keep-alive":
      case "proxy-connection":
      case "transfer-encoding":
      case "upgrade":
        this.#fault ??= "a field of HTTP/1.1's connections"; // RFC 9113, section 8.2.2: smuggling is made of these.
        break;
      case "te":
        if (value.toLowerCase() !== "trailers") this.#fault ??= "te is not trailers"; // The same section.
        break;
      case "host":
        this.#host = this.#once(name, this.#host, value, AUTHORITY);
        break;
      case "content-length":
        if (this.contentLength >= 0 || !LENGTH.test(value))
          this.#fault ??= "content-length twice, or no number";
        else this.contentLength = Number(value);
        break;
    }
  }
}

/** RFC 9110, section 9.1. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;
/** RFC 3986, section 3.1. */
const SCHEME = /^[A-Za-z][A-Za-z\d+.-]*$/;
/** In origin form or "*" (RFC 9113, section 8.3.1); blanks in it would end the request line of HTTP/1.1. */
const PATH = /^(?:\/[!-~\x80-\xff]*|\*)$/;
/** A host and a port (RFC 3986, section 3.2), without who asks (RFC 9113, section 8.3.1). */
const AUTHORITY = /^[\w.~!$&'()*+,;=:%[\]-]+$/;
/** Up to 2^53 - 1, more or less; one with a sign, blanks or a list is read differently by others. */
const LENGTH = /^\d{1,15}$/;
