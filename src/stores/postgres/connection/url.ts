import { misnamed } from "../../shared/unusable.ts";

/** A store's URL, taken apart as libpq does. */
export interface PostgresUrl {
  /** Where a server may be, in the order given; at least one. */
  readonly hosts: readonly Host[];
  /** By libpq's names: user, password and dbname too, where they are given. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly schema: string;
  /** What people and logs are shown: without user, password and parameters. */
  readonly shown: string;
}

/** A server of a URL, of which there may be several. */
export interface Host {
  /** A name, an address, or the folder of a socket, which begins with a slash. */
  readonly host: string;
  readonly port: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param url  postgres://user:password@host:port,host:port/database?schema=NAME&...; the schema is "tally" if none is
 *             named
 * @param env  where what the URL leaves out is looked for: PGHOST, PGPORT
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator, which has nothing that may be secret
 */
export function parseUrl(url: string, env: Environment = process.env): PostgresUrl {
  const [, all = "", query] = /^postgres(?:ql)?:\/\/([^?#]*)(?:\?([^#]*))?$/is.exec(url) ?? unreadable();
  const slash = all.indexOf("/");
  const authority = slash < 0 ? all : all.slice(0, slash);
  const path = slash < 0 ? "" : all.slice(slash + 1);
  if (path.includes("@")) unreadable(); // A slash in a password ends what comes before the hosts.
  const at = authority.lastIndexOf("@");
  const parameters = new Map<string, string>();
  const [, user, password] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, Math.max(at, 0)))!;
  for (const [name, text] of Object.entries({ user, password, dbname: path })) {
    if (text) parameters.set(name, decoded(text));
  }
  for (const [name, value] of pairsOf(query)) parameters.set(name, value);

  const schema = parameters.get("schema") ?? "tally";
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw misnamed(
      `The schema ${JSON.stringify(schema)} is no plain name; expected lower-case letters, digits and _, such as ?schema=tally.`,
    );
  }
  parameters.delete("schema");
  const { hosts, shown } = hostsOf(authority.slice(at + 1), parameters, env);
  const database = parameters.get("dbname");
  const where = database === undefined ? shown : `${shown}/${database}`;
  return { hosts, parameters, schema, shown: `${where}, schema ${schema}` };
}

function hostsOf(listed: string, parameters: Map<string, string>, env: Environment) {
  const given = listed === "" ? [] : listed.split(",").map(hostAndPort);
  const inQuery = parameters.get("host")?.split(",");
  const names = inQuery ?? (given.length > 0 ? given.map(({ host }) => host) : (env.PGHOST ?? "").split(","));
  const inPorts = parameters.get("port")?.split(",");
  const inHosts = given.some(({ port }) => port !== "") ? given.map(({ port }) => port) : undefined;
  const ports = inPorts ?? inHosts ?? (env.PGPORT ?? "").split(",");
  if (ports.length > 1 && ports.length !== names.length) {
    throw misnamed(
      `The store's URL has ${ports.length} ports for ${names.length} hosts; expected one for all, or one for each.`,
    );
  }
  const hosts = names.map((name, i): Host => {
    const port = ports[ports.length === 1 ? 0 : i]! || `${DEFAULT_PORT}`;
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
      throw misnamed(NO_PORT((inPorts ?? inHosts) === undefined ? "PGPORT" : "The store's URL"));
    return { host: name || "localhost", port: Number(port) };
  });
  const anyPort = ports.some((port) => port !== "");
  const shown = hosts.map(({ host, port }) => {
    const bare = host.includes(":") && !host.startsWith("/") ? `[${host}]` : host;
    return anyPort ? `${bare}:${port}` : bare;
  });
  parameters.delete("host");
  parameters.delete("port");
  return { hosts, shown: shown.join(",") };
}

const DEFAULT_PORT = 5432;

/** Which repeats nothing: where no @ is behind it, it may be a password that stands there. */
const NO_PORT = (where: string) =>
  `${where} has a port that cannot be taken; expected a whole number from 1 to 65535, as in ` +
  "postgres://USER:PASSWORD@HOST:5432/DATABASE (/ ? and # in a password are %2F %3F and %23).";

function hostAndPort(text: string): { host: string; port: string } {
  const [, v6, host = "", port = ""] = /^(?:\[([^[\]]+)\]|([^:[\]]*))(?::(.*))?$/s.exec(text) ?? unreadable();
  return { host: decoded(v6 ?? host), port };
}

/** The parameters, as text; refused where one has no value. */
function pairsOf(query: string | undefined): [name: string, value: string][] {
  if (!query) return [];
  return query.split("&").map((pair) => {
    const [, name, value] = /^([^=]+)=([^=]*)$/s.exec(pair) ?? unreadable();
    return [decoded(name!), decoded(value!)];
  });
}

function decoded(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    return decoded.includes("\0") ? unreadable() : decoded;
  } catch {
    return unreadable();
  }
}

function unreadable(): never {
  throw misnamed(
    "The store's URL cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, in which every @ : / ? # " +
      "and % of user and password is percent-encoded (@ as %40).",
  );
}
