import type { Command } from "commander";

/** A command of a command, as `tally config list` is one of `tally config`. */
export function sub(command: Command, name: string, about: string): Command {
  return command.command(name).summary(about).description(about).copyInheritedSettings(command);
}
