import type { AddHelpTextContext } from "commander";

/** Paragraphs to stand after a command's help, wrapped as the rest of it is: to the terminal, else to 80 columns. */
export function notes(paragraphs: string): (context: AddHelpTextContext) => string {
  return ({ command }) => {
    const width = command.configureOutput().getOutHelpWidth?.() ?? COLUMNS;
    const unwrapped = paragraphs.trim().replace(/(?<!\n)\n(?!\n)/g, " ");
    return `\n${command.createHelp().boxWrap(unwrapped, width)}`;
  };
}

const COLUMNS = 80;
