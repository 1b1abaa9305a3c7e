import { statSync } from "node:fs";
import { join } from "node:path";
import { readNamedFile } from "../../../named-file.ts";
import { assertNoNamedPipe, isRereadable } from "../../../named-pipe.ts";
import { unusable } from "../../shared/unusable.ts";

/** Whose password is looked for. */
export interface PasswordFor {
  readonly host: string;
  readonly port: number;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
}

/** Where libpq has passwords, if nobody gives one: PGPASSFILE, or .pgpass at home. */
export function passFileOf(env: Readonly<Record<string, string | undefined>>): string {
  return env.PGPASSFILE || join(env.HOME || "./", ".pgpass");
}

/**
 * The password that libpq would find in a file of HOST:PORT:DATABASE:USER:PASSWORD, "*" being any: of the first line that fits.
 * Read anew for each connection, and like every file of settings: bounded, and never waited for.
 *
 * @returns  undefined where there is no such file, or no such line
 * @throws TallyError STORE_UNAVAILABLE, in one sentence, where the file cannot be used
 */
export async function passwordIn(path: string, of: PasswordFor): Promise<string | undefined> {
  let text: string;
  try {
    assertNoNamedPipe(path);
    if (!isRereadable(path)) throw new Error("it is a pipe, and is read for each connection; give a file");
    const bytes = await readNamedFile(path);
    if (((statSync(path).mode ?? 0) & 0o077) !== 0 && bytes.length > 0)
      throw new Error("others than its owner may read or write it; have it with chmod 600");
    text = bytes.toString("utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unusable(`The file of passwords ${path} (PGPASSFILE) cannot be used: ${message}.`, error);
  }
  const wanted = [of.host, `${of.port}`, of.database ?? "", of.user ?? ""];
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*#/.test(line)) continue;
    const fields = fieldsOf(line);
    if (fields === undefined) continue;
    const fits = wanted.every((each, i) => fields[i] === "*" || fields[i] === each);
    if (fits && fields[4] !== "") return fields[4];
  }
  return undefined;
}

/** Five fields, of which the last goes to the end of the line; a backslash has the character behind it stand for itself. */
function fieldsOf(line: string): string[] | undefined {
  const match = /^((?:[^\\:]|\\.)*):((?:[^\\:]|\\.)*):((?:[^\\:]|\\.)*):((?:[^\\:]|\\.)*):(.*)$/s.exec(line);
  return match?.slice(1).map((field) => field.replace(/\\(.)/gs, "$1"));
}
