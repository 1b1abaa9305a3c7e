/** Options that say how a request is made, the same for every command that has them. */
import { InvalidArgumentError, Option } from "commander";

/** What the options below come to. */
export interface RequestOptions {
  readonly requestId?: string;
  readonly etag?: string;
  readonly note?: string;
  readonly mustExist?: true;
  readonly label?: Labels;
}

/** Labels of a counter, by their keys. */
export type Labels = Readonly<Record<string, string>>;

/** --request-id: for a command that is run again. */
export function requestIdOption(): Option {
  const about = "do it once under this id, however often the command is run (default: a new one)";
  return new Option("--request-id <id>", about);
}

/** --etag: for a command that depends on what was read before. @param what  it is of */
export function etagOption(what = "counter"): Option {
  return new Option("--etag <etag>", `only if nobody has changed the ${what} since this etag was read`);
}

/** --note: for a command whose change somebody will ask about. */
export function noteOption(): Option {
  return new Option("--note <text>", "why, for the change log; up to 200 bytes");
}

/** --must-exist: for a command that would make the counter. */
export function mustExistOption(): Option {
  return new Option("--must-exist", "fail when there is no such counter, instead of making it");
}

/** key=value, as often as wanted. */
export function labelOption(about: string): Option {
  return new Option("--label <key=value>", `${about}; may be repeated`).argParser(addLabel);
}

function addLabel(text: string, before: Labels = {}): Labels {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new InvalidArgumentError("Expected key=value, such as team=web.");
  if (Object.hasOwn(before, key)) throw new InvalidArgumentError(`The label ${key} is given twice.`);
  return { ...before, [key]: value };
}

/** The fields that were given, by the names that requests have for them. */
export function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
