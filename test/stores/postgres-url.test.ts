/** What a store's URL is refused for, before anything is connected to. */
import { expect, it } from "vitest";
import { settingsOf } from "../../src/stores/postgres/connection/parameters.ts";
import { parseUrl } from "../../src/stores/postgres/connection/url.ts";

const settings = (url: string, env = {}) => settingsOf(parseUrl(url, env), env);

it.each([
  ["postgres://h:99999/db", {}],
  ["postgres://h:65536/db", {}],
  ["postgres://h:0/db", {}],
  ["postgres://h:00000/db", {}],
  ["postgres://h:abc/db", {}],
  ["postgres://h:-1/db", {}],
  ["postgres://h:5432:1/db", {}],
  ["postgres://h:١/db", {}],
  ["postgres://h:1,i:70000/db", {}],
  ["postgres://me:pw@[::1]:99999/db", {}],
  ["postgres://h/db?port=99999", {}],
  ["postgres://h/db?port=x", {}],
  ["postgres://h/db?port=5432%20", {}],
  ["postgres://h/db", { PGPORT: "99999" }],
  ["postgres://h/db", { PGPORT: "tcp://10.0.0.1:5432" }],
])("a port that is none: %s %j", (url, env) => {
  const where = Object.keys(env).length > 0 ? "PGPORT" : "The store's URL";
  const said = `${where} has a port that cannot be taken; expected a whole number from 1 to 65535, as in postgres://`;
  expect(() => parseUrl(url, env)).toThrow(said);
});

it.each([
  ["postgres://h:1/db", 1],
  ["postgres://h:65535/db", 65_535],
  ["postgres://h/db?port=05432", 5_432],
  ["postgres://h:/db", 5_432],
  ["postgres://h/db?port=", 5_432],
])("a port: %s", (url, port) => {
  expect(parseUrl(url, { PGPORT: "" }).hosts).toEqual([{ host: "h", port }]);
});

it("a password without its @, which stands where a port does, is not repeated", () => {
  for (const url of [
    "postgres://me:mistaken",
    "postgres://me:mistaken/db",
    "postgres://me:mistaken?x=1@h/db",
  ]) {
    expect(() => parseUrl(url, {})).toThrow("has a port that cannot be taken");
    expect(() => parseUrl(url, {})).not.toThrow("mistaken");
  }
});

it.each(["sslmode=no-verify", "sslmode=requir", "sslmode=REQUIRE"])(
  "a mode that libpq has not: %s",
  (query) => {
    expect(() => settings(`postgres://h/db?${query}`)).toThrow(
      "The store's URL has a sslmode that cannot be taken; expected disable, allow, prefer, require, verify-ca or verify-full.",
    );
  },
);

it("nor do the environment and ssl take what is the driver's alone", () => {
  expect(() => settings("postgres://h/db", { PGSSLMODE: "no-verify" })).toThrow(
    "The sslmode is none (PGSSLMODE); expected disable, allow, prefer, require, verify-ca, verify-full.",
  );
  expect(() => settings("postgres://h/db?ssl=no-verify")).toThrow(
    "The store's URL has a ssl that cannot be taken; expected true or false.",
  );
  expect(settings("postgres://h/db?ssl=true").tls).toHaveLength(1);
});
