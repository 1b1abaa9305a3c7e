import { expect, it } from "vitest";
import { withoutApiKeys, withoutSecrets } from "../../src/core/secrets.ts";

it.each([
  ["postgre://me:SECRET@127.0.0.1/counts", "postgre://me:***@127.0.0.1/counts"],
  ["postgre://h/db?password=SECRET", "postgre://h/db?***"],
  ["postgre://me@h/db?pasword=SECRET&sslmode=require", "postgre://***@h/db?***"],
  ["postgres:/me:SECRET@h/db", "postgres:***@h/db"],
  ["postgres//me:SECRET@h", "postgres//***@h"],
  ["me:SECRET@h/db", "me:***@h/db"],
  ["host=h password=SECRET", "host=*** password=***"],
  ["host=h password = 'SECRET SECRET' x", "host=*** password =*** x"],
  ["postgre://me:SECRET%40h/db", "postgre://me:***@h/db"],
  ["postgre://me:SECRET", "postgre://me:***"],
  ["postgre://me:SE/SECRET@h/db", "postgre://me:***@h/db"],
  ["postgre://me:SE#SECRET@h/db", "postgre://me:***@h/db"],
  ["postgre://me:SECRET?SECRET@h/db", "postgre://me:***?***"],
  ["postgre://me:54321/SECRET@h/db", "postgre://me:***@h/db"],
  ["postgre://me:SECRET SECRET\nSECRET@h/db", "postgre://me:***@h/db"],
  ["postgre://h/db;password=SECRET", "postgre://h/db;password=***"],
  ["--stroe=postgres://me:SECRET@h/db?password=SECRET", "--stroe=***?***"],
])("%j is shown as %j", (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown);
});

it.each(["127.0.0.1:99999", "[::1]:80", "https://shop.example:8443/x", "sqlite:./tally.db", "5 parsecs"])(
  "%j has nothing to hide",
  (text) => {
    expect(withoutSecrets(text)).toBe(text);
  },
);

it.each([
  ["tally_4fZk2Qm9XbTa_secret_crc", "tally_4fZk2Qm9XbTa_***"],
  ["--api-key=tally_4fZk2Qm9XbTa_secret_crc'", "--api-key=tally_4fZk2Qm9XbTa_***'"],
  ["a eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmVk b", "a *** b"],
  ["tally_visits and eyJ.a.b", "tally_visits and eyJ.a.b"],
])("%s is shown without keys as %s", (text, shown) => {
  expect(withoutApiKeys(text)).toBe(shown);
});
