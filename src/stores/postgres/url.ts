import { unusable } from "../unusable.ts";

/** A store's URL, taken apart. */
export interface PostgresUrl {
  /** What the driver is given. */
  readonly connection: string;
  readonly schema: string;
  /** What people and logs are shown: without user, password and parameters. */
  readonly shown: string;
}

/**
 * @param url  postgres://user:password@host:port/database?schema=NAME; the schema is "tally" if none is named
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator, which never has the password
 */
export function parseUrl(url: string): PostgresUrl {
  // As the driver does, which also takes a socket's folder from the parameters: postgres://user:password@/database
  const parsed = URL.parse(url) ?? URL.parse(url.replace("@/", "@localhost/"));
  if (parsed === null || !decodes(url)) {
    throw unusable(
      "The store's URL cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, in which every @ : / ? # " +
        "and % of user and password is percent-encoded (@ as %40).",
    );
  }
  const [address = "", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  const schema = parameters.get("schema") ?? "tally";
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw unusable(
      `The schema ${JSON.stringify(schema)} is no plain name; expected lower-case letters, digits and _, such as ?schema=tally.`,
    );
  }
  parameters.delete("schema");
  const rest = parameters.toString();
  const host = parameters.get("host") ?? decodeURIComponent(parsed.host);
  const shown = `${host}${parsed.pathname}, schema ${schema}`;
  return { connection: rest === "" ? address : `${address}?${rest}`, schema, shown };
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
