/** A message of PostgreSQL's protocol, as its bytes: postgresql.org/docs/current/protocol-message-formats.html */
export interface Message {
  /** The letter of its kind; "" for the first messages of a connection, which have none. */
  readonly kind: string;
  /** All of it, its kind and length included. */
  readonly bytes: Buffer;
}

/** Cuts the bytes that one side sends into messages. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0);
  #first: boolean;
  #answersEncryption = false;

  /** @param side  whose: a client's first messages have no kind */
  constructor(side: "client" | "server") {
    this.#first = side === "client";
  }

  /** The other side has asked for encryption: what comes next is one byte, which says whether there is any. */
  answersEncryption(): void {
    this.#answersEncryption = true;
  }

  /** @returns the messages that are complete now */
  take(chunk: Buffer): Message[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    if (this.#answersEncryption && this.#rest.length > 0) {
      this.#answersEncryption = false;
      messages.push({ kind: "", bytes: this.#rest.subarray(0, 1) });
      this.#rest = this.#rest.subarray(1);
    }
    for (;;) {
      const head = this.#first ? 0 : 1;
      if (this.#rest.length < head + LENGTH_BYTES) return messages;
      const end = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < end) return messages;
      const bytes = this.#rest.subarray(0, end);
      messages.push({ kind: this.#first ? "" : String.fromCharCode(bytes[0]!), bytes });
      if (this.#first && bytes.readUInt32BE(LENGTH_BYTES) === PROTOCOL_3) this.#first = false;
      this.#rest = this.#rest.subarray(end);
    }
  }
}

const LENGTH_BYTES = 4;
/** What a StartupMessage has behind its length; requests for encryption, which come before it, have another. */
const PROTOCOL_3 = 3 << 16;

/** Whether a client's message asks for encryption, before all others. */
export function asksForEncryption({ kind, bytes }: Message): boolean {
  return kind === "" && bytes.readUInt32BE(LENGTH_BYTES) === SSL_REQUEST;
}

const SSL_REQUEST = 80_877_103;

/** The SQL of a client's message that has some: Query, and Parse, which comes once for a prepared statement. */
export function sqlOf({ kind, bytes }: Message): string | undefined {
  if (kind === "Q") return bytes.toString("utf8", 5, bytes.length - 1);
  if (kind !== "P") return undefined;
  const from = bytes.indexOf(0, 5) + 1;
  return bytes.toString("utf8", from, bytes.indexOf(0, from));
}

/** The tag of a server's CommandComplete: "COMMIT", "INSERT 0 1". */
export function tagOf({ kind, bytes }: Message): string | undefined {
  return kind === "C" ? bytes.toString("utf8", 5, bytes.length - 1) : undefined;
}
