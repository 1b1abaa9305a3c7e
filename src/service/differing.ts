/** Comparing two stores, page by page, however long their pages are. */

/** The first item in which two walks differ; undefined when they are the same to the end. */
export async function differing<Item>(
  left: AsyncIterable<readonly Item[]>,
  right: AsyncIterable<readonly Item[]>,
  same: (a: Item, b: Item) => boolean,
): Promise<Item | undefined> {
  const [one, other] = [new Walk(left), new Walk(right)];
  for (;;) {
    if (one.item === undefined || other.item === undefined) await Promise.all([one.turn(), other.turn()]);
    const [a, b] = [one.item, other.item];
    if (a === undefined || b === undefined) return a ?? b;
    if (!same(a, b)) return a;
    one.next();
    other.next();
  }
}

/** Goes through pages item by item. */
class Walk<Item> {
  readonly #pages: AsyncIterator<readonly Item[]>;
  #page: readonly Item[] = [];
  #at = 0;

  constructor(pages: AsyncIterable<readonly Item[]>) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** The item it stands at; undefined at the end of the page. */
  get item(): Item | undefined {
    return this.#page[this.#at];
  }

  next(): void {
    this.#at++;
  }

  /** At the end of a page go on with the next one that has items. */
  async turn(): Promise<void> {
    while (this.#at >= this.#page.length) {
      const { value, done } = await this.#pages.next();
      if (done) return;
      this.#page = value;
      this.#at = 0;
    }
  }
}

/** The names of all fields of a type: it does not compile while one is missing. */
export function fieldsOf<Of>(fields: Readonly<Record<keyof Of, true>>): readonly (keyof Of)[] {
  return Object.keys(fields) as (keyof Of)[];
}
