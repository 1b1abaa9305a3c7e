import type { Random } from "../crash/random.ts";

/** A field of a head, as it is sent: each character is one octet. */
export type Field = readonly [name: string, value: string];

/** Makes heads that are almost those of somebody who may call. */
export class Mutations {
  readonly #random: Random;
  readonly #good: readonly string[];
  readonly #allowed: (text: string) => string;

  /**
   * @param good     credentials that are good
   * @param octets   which may be sent: over HTTP/1.1 all but CR and LF, which would make other fields; over HTTP/2 those that
   *                 node:http2 sends
   */
  constructor(random: Random, good: readonly string[], octets: "all" | "of HTTP/2") {
    this.#random = random;
    this.#good = good;
    const never = octets === "all" ? /[\r\n]/g : /[^\t -~\x80-\xff]/g;
    this.#allowed = (text) => text.replace(never, "\t");
  }

  next(): Field[] {
    const random = this.#random;
    const fields = this.#honest();
    for (let left = random.between(1, 3); left > 0; left--) this.#change(fields);
    if (random.between(0, 3) === 0) fields.push(["x-forwarded-for", this.#addresses()]);
    return fields.map(([name, value]) => [name, this.#allowed(value).slice(0, VALUE_BYTES_MAX)]);
  }

  /**
   * Whether a head has a credential that is good, and just that one: judged apart from the server, by what docs/security.md and
   * RFC 6750 say. Blanks around a value are none of it.
   */
  isGood(fields: readonly Field[]): boolean {
    const shown = fields.filter(([name]) => name === "authorization" || name === "x-api-key");
    if (shown.length !== 1) return false;
    const [name, value] = shown[0]!;
    const text = withoutBlanks(value);
    const credential = name === "x-api-key" ? text : /^bearer +([^ ]*)$/i.exec(text)?.[1];
    return credential !== undefined && this.#good.includes(credential);
  }

  #honest(): Field[] {
    const credential = this.#random.pick(this.#good);
    return this.#random.between(0, 2) === 0
      ? [["x-api-key", credential]]
      : [["authorization", `Bearer ${credential}`]];
  }

  /** One change, of one of the fields or of which there are. */
  #change(fields: Field[]): void {
    const random = this.#random;
    if (fields.length === 0) fields.push(...this.#honest());
    const at = random.between(0, fields.length - 1);
    const [name, value] = fields[at]!;
    switch (random.between(0, 11)) {
      case 0: // Twice, or two of them.
        fields.push(random.between(0, 1) === 0 ? [name, value] : this.#honest()[0]!);
        break;
      case 1:
        fields.splice(at, 1);
        break;
      case 2:
        fields[at] = [name === "authorization" ? "x-api-key" : "authorization", value];
        break;
      default:
        fields[at] = [name, this.#changed(value)];
    }
  }

  #changed(value: string): string {
    const random = this.#random;
    const at = random.between(0, value.length);
    const [head, tail] = [value.slice(0, at), value.slice(at)];
    switch (random.between(0, 11)) {
      case 0:
      case 1: // A bit.
        return (
          head + String.fromCharCode((tail.charCodeAt(0) || 0) ^ (1 << random.between(0, 7))) + tail.slice(1)
        );
      case 2:
        return random.pick([head, tail, head.slice(0, -1) + tail, ""]);
      case 3:
        return random.pick([value + value, value.repeat(random.between(2, 60)), head + head + tail]);
      case 4:
        return head + random.pick(["A", "\t", " ", "é", ","]).repeat(random.between(1, 18_000)) + tail;
      case 5:
        return head + String.fromCharCode(random.between(0, 255)) + tail;
      case 6:
        return random.pick([value.toUpperCase(), value.toLowerCase(), swappedCase(value, at)]);
      case 7:
        return random.pick([
          `${value}, ${value}`,
          `${value},`,
          ` ${value}`,
          `\t${value} `,
          encodeURIComponent(value),
        ]);
      case 8:
        return value.replace(
          /^Bearer /,
          random.pick([
            "Basic ",
            "bearer ",
            "BEARER  ",
            "Bearer",
            "Bearer\t",
            "Bearer \x0b",
            "Bearer \xa0",
            "Token ",
            "",
          ]),
        );
      case 9: {
        const other = random.pick(this.#good); // Of two good ones none.
        return head + other.slice(random.between(0, other.length));
      }
      default:
        return this.#forged(value);
    }
  }

  /** Parts of a token of which each is well-formed. */
  #forged(value: string): string {
    const random = this.#random;
    const parts = value.split(".");
    if (parts.length !== 3) return swappedCase(value, random.between(0, value.length));
    const [scheme, head] = /^(.* )?(.*)$/s.exec(parts[0]!)!.slice(1);
    const with_ = (to: string, body: string, signature: string) =>
      `${scheme ?? ""}${to}.${body}.${signature}`;
    const [, body, signature] = parts as [string, string, string];
    const header = random.pick([
      '{"alg":"none","typ":"tally-cap+jwt"}',
      decoded(head!).replace("EdDSA", random.pick(["HS256", "ES256", "none", "eddsa"])),
      decoded(head!).replace(/"kid":"."/, '"kid":"0'),
      "{}",
      "[]",
    ]);
    return random.pick([
      with_(head!, body, ""),
      with_(head!, encoded(decoded(body).replace(/@[^"]*/, "@")), signature),
      with_(head!, encoded(decoded(body).replace(/"exp":\d+/, '"exp":9999999999')), signature),
      with_(encoded(header), body, signature),
      with_(encoded(header), body, ""),
      with_(head!, body, swappedCase(signature, random.between(0, signature.length))),
      with_(body, head!, signature),
    ]);
  }

  #addresses(): string {
    const random = this.#random;
    const one = () =>
      random.pick([
        `192.0.2.${random.between(0, 300)}`,
        "127.0.0.1",
        `[2001:db8::${random.between(0, 65_535).toString(16)}]:443`,
        "::ffff:127.0.0.1",
        "unknown",
        "",
        String.fromCharCode(random.between(0, 255)).repeat(random.between(0, 40)),
      ]);
    return Array.from({ length: random.pick([1, 2, 5, 40, 400]) }, one).join(
      random.pick([",", ", ", ",,", " "]),
    );
  }
}

/** A little above what all fields of a head may have together (header-bytes-max, 16 KiB). */
const VALUE_BYTES_MAX = 18_000;

/** Without the blanks around it. (A regular expression for those at the end takes its time where there are many inside.) */
function withoutBlanks(text: string): string {
  const isBlank = (at: number) => text[at] === " " || text[at] === "\t";
  let [from, to] = [0, text.length];
  while (from < to && isBlank(from)) from++;
  while (from < to && isBlank(to - 1)) to--;
  return text.slice(from, to);
}

function swappedCase(text: string, at: number): string {
  const letter = text.charAt(at);
  const other = letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase();
  return text.slice(0, at) + other + text.slice(at + 1);
}

function decoded(part: string): string {
  return Buffer.from(part, "base64url").toString();
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64url");
}
