import { CommandError, EXIT } from "./exit.ts";

/** Options that only make sense for one counter. @throws CommandError when one is given with several names */
export function oneNameFor(names: readonly string[], options: Readonly<Record<string, unknown>>): void {
  const [option] = Object.keys(options).filter((name) => options[name] !== undefined);
  if (names.length > 1 && option !== undefined)
    throw new CommandError(EXIT.USAGE, `${option} is about one counter; give one name, not ${names.length}.`);
}
