/** Reads Prometheus's text format 0.0.4 by its definition, strictly: what is not of it throws. */

/** A line with a number. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What is told under one name, with the lines about it. */
export interface ToldFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

export function parseExposition(text: string): ToldFamily[] {
  if (text !== "" && !text.endsWith("\n")) throw new SyntaxError("expected a line feed at the end");
  const families: (Omit<ToldFamily, "samples"> & { samples: Sample[] })[] = [];
  let help: readonly [name: string, text: string] | undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    const [, helped, words] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
    const [, typed, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (helped !== undefined) help = [helped, unescaped(words!)];
    else if (typed !== undefined) {
      if (help?.[0] !== typed) throw new SyntaxError(`expected HELP of ${typed} before its TYPE`);
      if (families.some(({ name }) => name === typed)) throw new SyntaxError(`${typed} comes twice`);
      families.push({ name: typed, help: help[1], type: type!, samples: [] });
    } else families.at(-1)!.samples.push(sampleOf(line, families.at(-1)!.name));
  }
  return families;
}

/** One number. @throws  when it is not there exactly once */
export function sampleIn(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const found = samplesIn(text, name).filter((each) =>
    Object.entries(labels).every(([label, value]) => each.labels[label] === value),
  );
  if (found.length !== 1)
    throw new Error(`expected one ${name} ${JSON.stringify(labels)}, got ${found.length}`);
  return found[0]!.value;
}

/** All numbers under a name. */
export function samplesIn(text: string, name: string): Sample[] {
  return parseExposition(text)
    .flatMap(({ samples }) => samples)
    .filter((each) => each.name === name);
}

function sampleOf(line: string, family: string): Sample {
  const [, name, , pairs = "", number] =
    /^([a-z0-9_]+)(\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined || !name.startsWith(family))
    throw new SyntaxError(`no sample of ${family}: ${line}`);
  const labels = [...pairs.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,(?!$)|$)/g)];
  if (labels.map(([text]) => text).join("") !== pairs) throw new SyntaxError(`labels of ${line}`);
  return {
    name,
    labels: Object.fromEntries(labels.map(([, label, text]) => [label!, unescaped(text!)])),
    value: numberOf(number!),
  };
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, each: string) => (each === "n" ? "\n" : each));
}

function numberOf(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (!/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(text)) throw new SyntaxError(`no number: ${text}`);
  return Number(text);
}
