import { Option } from "commander";

/** -o: how a command prints. @param formats  which it can print, of those of `Output` */
export function outputOption(formats: readonly string[], format: string = "table"): Option {
  return new Option("-o, --output <format>", "how to print")
    .choices(formats)
    .default(format)
    .helpGroup("Output:");
}

/** -q: to print less. @param about  what is not printed then */
export function quietOption(about: string): Option {
  return new Option("-q, --quiet", about).helpGroup("Output:");
}
