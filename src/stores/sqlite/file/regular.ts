/** Files in folders that others can reach: whatever stands at a path there, nobody waits for it, or reads it without end. */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { assertRegular } from "./names.ts";

/**
 * Open a regular file to read it.
 *
 * @throws TallyError STORE_UNAVAILABLE  of what is none, a pipe for example; or what the system says
 */
export function openRegular(path: string): number {
  assertRegular(path, statSync(path, { bigint: true })); // To open a device may do something.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // Should it have become a pipe.
  try {
    assertRegular(path, fstatSync(fd, { bigint: true }));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** All of its bytes. @throws as openRegular */
export function readRegular(path: string): Buffer {
  const fd = openRegular(path);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
