import { setPriority } from "node:os";

/**
 * Give way to whoever counts meanwhile: on Linux, of a core that both want three quarters are for the others.
 *
 * Not the lowest priority: beside cores that are all busy that is no more than a hundredth, and while a file is read as of one
 * moment its WAL grows by all that is written.
 */
export function giveWay(): void {
  if (process.platform === "linux") setPriority(NICE); // Elsewhere there may be no way back.
}

const NICE = 5;
