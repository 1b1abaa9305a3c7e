/** A fenced block of a Markdown file. */
export interface Block {
  readonly language: string;
  readonly code: string;
  /** Of its opening fence, counted from 1. */
  readonly line: number;
  /** The file that the words before it say it is: "In `main.go`:". */
  readonly file: string | undefined;
  /** What the text shows as its result: the json or text block that comes next. */
  readonly shows: Block | undefined;
}

export function blocksOf(markdown: string): Block[] {
  const blocks: (Block & { shows: Block | undefined })[] = [];
  for (const { 1: language, 2: code, index } of markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const file = /\bIn `([\w.]+)`:\n\n$/i.exec(markdown.slice(0, index))?.[1];
    const line = lineAt(markdown, index);
    const block = { language: language!, code: code!, line, file, shows: undefined };
    const previous = blocks.at(-1);
    if (/^(json|text)$/.test(block.language) && previous !== undefined) previous.shows = block;
    blocks.push(block);
  }
  return blocks;
}

/** The targets of links within the repository, without their fragments. */
export function localLinksOf(markdown: string): string[] {
  const targets = [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.split("#")[0]!);
  return targets.filter((target) => target !== "" && !/^[a-z]+:/.test(target));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
