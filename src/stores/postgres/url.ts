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
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export function parseUrl(url: string): PostgresUrl {
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
  const shown = `${address.replace(/^\w+:\/\/(.*@)?/, "")}, schema ${schema}`;
  return { connection: rest === "" ? address : `${address}?${rest}`, schema, shown };
}
