import { createHash, timingSafeEqual } from "node:crypto";
import { readNamedFile } from "../named-file.ts";

/** Why the file of the root key cannot be used: one sentence for the operator. */
export class RootKeyError extends Error {
  override readonly name = "RootKeyError";
}

/** The root key: whoever has it is `root`, who may do everything. While it is being changed there are two. */
export class RootKey {
  readonly #digests: readonly Buffer[];

  private constructor(digests: readonly Buffer[]) {
    this.#digests = digests;
  }

  /**
   * Read it: one line, or two, of 32 to 1,024 printable characters without a space and a comma.
   *
   * @throws RootKeyError  which never has what stands in the file
   */
  static async read(path: string): Promise<RootKey> {
    const bytes = await readNamedFile(path).catch((error: NodeJS.ErrnoException) => {
      const { code, message } = error;
      const why = code === undefined ? message : (READ_ERRORS[code] ?? `reading it failed (${code})`);
      throw new RootKeyError(`The root key (root-key-file) ${path} cannot be read: ${why}.`, {
        cause: error,
      });
    });
    const lines = bytes
      .toString()
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    if (lines.length < 1 || lines.length > 2 || !lines.every((line) => FORM.test(line)))
      throw new RootKeyError(
        `The root key (root-key-file) ${path} must have one line, or two while it is being changed, each of 32 to 1,024 ` +
          "letters, digits and other printable characters without a space and a comma. Make one with: openssl rand -hex 32",
      );
    return new RootKey(lines.map(digestOf));
  }

  /** Whether a credential is the root key. How long it takes says nothing of how far they are alike. */
  is(credential: string): boolean {
    const digest = digestOf(credential);
    let found = false;
    for (const own of this.#digests) found = timingSafeEqual(own, digest) || found;
    return found;
  }
}

function digestOf(credential: string): Buffer {
  return createHash("sha256").update(credential).digest();
}

const FORM = /^[!-+\--~]{32,1024}$/;

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
};
