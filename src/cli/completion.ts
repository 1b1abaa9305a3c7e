import type { Command } from "commander";
import { COMPLETION_SCRIPTS } from "./completion-scripts.ts";
import { Output } from "./output.ts";

/** `tally completion`: print a script by which a shell completes commands, options, and the names of counters. */
export function define(command: Command): void {
  command
    .addArgument(command.createArgument("<shell>", "which shell").choices(Object.keys(COMPLETION_SCRIPTS)))
    .addHelpText("before", EXAMPLES)
    .action(async (shell: keyof typeof COMPLETION_SCRIPTS) => {
      await new Output("value", false).text(COMPLETION_SCRIPTS[shell]);
    });
}

const EXAMPLES = `Examples:
  source <(tally completion bash)                       ~/.bashrc
  source <(tally completion zsh)                        ~/.zshrc, after compinit
  tally completion fish > ~/.config/fish/completions/tally.fish
`;
