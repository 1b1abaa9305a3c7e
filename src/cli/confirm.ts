import { createInterface } from "node:readline";
import { CommandError, EXIT } from "./exit.ts";

/**
 * @param what  would be done, as somebody would be told to do it
 * @throws CommandError  when nobody is there to confirm it, and it was not said with --yes
 */
export function expectSomebody(yes: true | undefined, what = "delete"): void {
  if (!yes && !process.stdin.isTTY)
    throw new CommandError(
      EXIT.USAGE,
      `Nobody is there to confirm it; ${what} without a question with --yes.`,
    );
}

/**
 * Ask a person to type something, on stderr.
 *
 * @returns  whether exactly that was typed; false at the end of the input
 */
export async function confirm(question: string, expected: string): Promise<boolean> {
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, terminal: false }); // The terminal's own Ctrl-C stays.
  try {
    for await (const line of lines) return line.trim() === expected;
    process.stderr.write("\n"); // Ctrl-D leaves the cursor behind the question.
    return false;
  } finally {
    lines.close();
  }
}
