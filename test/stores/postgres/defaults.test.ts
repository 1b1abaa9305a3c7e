/** What a database sets for its sessions does not change what Tally counts. */
import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { histories } from "../../proofs/twins/history.ts";
import { Pair, Tally } from "../../proofs/twins/pair.ts";
import { describeWith } from "../../support/needs.ts";
import { openFresh } from "../../support/opened.ts";
import { underHandClock } from "../../support/postgres/hand-clock.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { newSchema } from "../../support/postgres/shared.ts";
import { ownDatabase } from "./schema.ts";

const TRANSACTIONS = {
  default_transaction_isolation: "serializable",
  default_transaction_read_only: "on",
  default_transaction_deferrable: "on",
  plan_cache_mode: "force_generic_plan",
  lock_timeout: "1",
  idle_in_transaction_session_timeout: "60000",
};

// That names are found whatever the search_path is, the test's clock needs too: its sessions have one of their own.
const TEXTS = {
  timezone: "'Asia/Kathmandu'",
  datestyle: "'SQL, DMY'",
  intervalstyle: "'iso_8601'",
  bytea_output: "escape",
  standard_conforming_strings: "off",
  escape_string_warning: "on",
  quote_all_identifiers: "on",
  extra_float_digits: "0",
  client_encoding: "latin1",
  array_nulls: "off",
};

describeWith([POSTGRES], "a database of PostgreSQL with settings of its own", () => {
  it.each([
    ["transactions", TRANSACTIONS],
    ["texts", TEXTS],
  ])("for %s: the store still does what the memory store does", async (_, settings) => {
    const { url } = await ownDatabase(settings);
    const tally = new Tally();
    const pair = await Pair.open(
      (options) => openFresh(async () => `${url}?schema=${newSchema()}`, options, underHandClock),
      { tally },
    );
    try {
      await fc.assert(
        histories(() => pair, 30),
        { numRuns: 18 },
      );
    } finally {
      await pair.dispose();
    }
    expect(tally.operations).toBeGreaterThan(400);
  });
});
