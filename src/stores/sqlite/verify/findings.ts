import type { Finding, FindingCode, Mend } from "../../../service/store-findings.ts";

/** What has been found so far: each once, and so many at most; the rest is counted. */
export class Findings {
  readonly list: Finding[] = [];
  more = 0;
  readonly #known = new Set<string>();
  readonly #codes = new Set<FindingCode>();

  add(code: FindingCode, name: string, about: string, mend: Mend): void {
    this.#codes.add(code);
    const key = `${code} ${name}`;
    if (this.#known.has(key)) return;
    if (this.list.length >= LISTED_MAX) {
      this.more++;
      return;
    }
    this.#known.add(key);
    this.list.push({ code, name, about, mend });
  }

  /** Whether anything of a kind was found. */
  has(code: FindingCode): boolean {
    return this.#codes.has(code);
  }
}

/** So many people read; beyond that, it is a file to be restored. */
const LISTED_MAX = 1_000;
