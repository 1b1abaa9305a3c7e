import { readNamedFile } from "../../named-file.ts";

/** A certificate or a key that cannot be used: one sentence for the operator. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/** Read a file. @throws CertificateError */
export async function readPem(what: string, path: string): Promise<Buffer> {
  try {
    return await readNamedFile(path);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    const why = READ_ERRORS[code] ?? message;
    throw new CertificateError(`The TLS ${what} ${path} cannot be read: ${why}.`, { cause });
  }
}

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
};

/** The bytes, if they have such a block: what is not PEM, Node.js would try as other formats. */
export function inPem(bytes: Buffer, block: string): Buffer {
  if (new RegExp(`^-----BEGIN [A-Z ]*${block}-----`, "m").test(bytes.toString("latin1"))) return bytes;
  throw new TypeError("it is not PEM");
}

/** What is made of a file. @throws CertificateError  with the sentence, when it cannot be */
export function parse<T>(make: () => T, sentence: string | ((message: string) => string)): T {
  try {
    return make();
  } catch (cause) {
    const text = typeof sentence === "string" ? sentence : sentence((cause as Error).message);
    throw new CertificateError(text, { cause });
  }
}
