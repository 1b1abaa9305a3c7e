import { readNamedFile } from "../named-file.ts";
import { CommandError, EXIT } from "./exit.ts";

/** The authorities whose certificates are to be trusted, in PEM. @throws CommandError when the file has none */
export async function readAuthorities(path: string): Promise<string> {
  const { X509Certificate } = await import("node:crypto");
  let text: string;
  try {
    text = (await readNamedFile(path)).toString();
  } catch (cause) {
    const { message } = cause as Error;
    throw new CommandError(EXIT.CONFIG, `The CA file ${path} cannot be read: ${message}.`, { cause });
  }
  try {
    const [first, ...others] = text.match(CERTIFICATE) ?? [];
    for (const pem of [first ?? "", ...others]) new X509Certificate(pem);
    return text;
  } catch (cause) {
    throw new CommandError(
      EXIT.CONFIG,
      `The CA file ${path} is of no use: expected certificates in PEM, each from -----BEGIN CERTIFICATE----- on.`,
      { cause },
    );
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;
