import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Random } from "../crash/random.ts";

/** The field of a line of an access log that has the path. */
export const PATH_FIELD = 7;

/**
 * Write an access log in the combined format: paths of a shop with articles, pages, a search and an API, a few of
 * them very often and most of them seldom (Zipf's law), with query strings, UTF-8 percent-encoded and raw, and some
 * requests that are broken or attacks.
 */
export async function writeAccessLog(path: string, lines: number, random: Random): Promise<void> {
  const file = createWriteStream(path);
  for (let written = 0; written < lines; ) {
    const chunk: Buffer[] = [];
    for (let i = 0; i < 10_000 && written < lines; i++, written++) chunk.push(lineOf(written, random));
    if (!file.write(Buffer.concat(chunk))) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}

function lineOf(i: number, random: Random): Buffer {
  const address = `10.${random.between(0, 3)}.${random.between(0, 249)}.${random.between(0, 249)}`;
  const time = new Date(Date.UTC(2026, 10, 22) + i * 40).toISOString();
  const status = random.fraction() < 0.97 ? 200 : 404;
  const agent = random.pick(AGENTS);
  const head = `${address} - - [${time} +0000] "GET `;
  const tail = ` HTTP/1.1" ${status} ${random.between(0, 89999)} "-" "${agent}"\n`;
  return Buffer.concat([Buffer.from(head), pathOf(random), Buffer.from(tail)]);
}

function pathOf(random: Random): Buffer {
  const rank = zipf(20_000, random);
  const kind = random.between(0, 999);
  if (kind < 450) return Buffer.from(`/articles/${rank}-${WORDS[rank % WORDS.length]}`);
  if (kind < 650) return Buffer.from(`/static/${WORDS[rank % WORDS.length]}.${rank % 7}.js`);
  if (kind < 800) return Buffer.from(`/api/v1/items/${rank}?fields=name,price&page=${random.between(1, 3)}`);
  if (kind < 900)
    return Buffer.from(`/search?q=${encodeURIComponent(WORDS[rank % WORDS.length]!)}&sort=-price`);
  if (kind < 990) return Buffer.from(`/wiki/${WORDS[rank % WORDS.length]}/${rank % 500}`); // Raw UTF-8.
  if (kind < 996) return Buffer.from(`-100%/${rank % 50}`);
  if (kind < 999) return Buffer.from([0x2f, 0xe9, 0xff, 0x80 + (rank % 100), 0x01, 0x7f]); // No UTF-8.
  return Buffer.from(`/?x=${"%2e%2e%2f".repeat(2 + (rank % 10))}`);
}

/** A rank from 0 to count-1; the share of rank r goes with 1/(r+1). */
function zipf(count: number, random: Random): number {
  return Math.floor(Math.exp(random.fraction() * Math.log(count + 1))) - 1;
}

const WORDS =
  "käse smørrebrød naïve Ελλάδα 東京 shop-window red_shoes cart (new) a+b o'neill x;y=1 été 🙂 plain".split(
    " ",
  );

const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_1) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
  "curl/8.5.0",
];
