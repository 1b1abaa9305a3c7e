import { describe } from "vitest";
import { describeWith } from "../../support/needs.ts";
import { STORES } from "../../support/stores.ts";
import { bulkSuite } from "./bulk.ts";
import { callersSuite } from "./callers.ts";
import { catalogueSuite } from "./catalogue.ts";
import { changesSuite } from "./changes.ts";
import { columnsSuite } from "./columns.ts";
import { commitSuite } from "./commit.ts";
import { coversSuite } from "./covers.ts";
import { deletingSuite } from "./deleting.ts";
import { epochSuite } from "./epoch.ts";
import { exactlyOnceSuite } from "./exactly-once.ts";
import { formerCallersSuite } from "./former-callers.ts";
import { historySuite } from "./history.ts";
import { keyUsesSuite } from "./key-uses.ts";
import { limitsSuite } from "./limits.ts";
import { manyChangesSuite } from "./many-changes.ts";
import { measuredSuite } from "./measured.ts";
import { modelSuite } from "./model.ts";
import { policiesSuite } from "./policies.ts";
import { readsSuite } from "./reads.ts";
import { rollbackSuite } from "./rollback.ts";
import { settingsSuite } from "./settings.ts";
import { sizeSuite } from "./size.ts";
import { timeSuite } from "./time.ts";
import { timeReadsSuite } from "./time-reads.ts";
import { twinsSuite } from "./twins.ts";

/** The store contract (src/service/store.ts), whole, on one store; but for moving.test.ts, which needs two. */
export function storeSuite(name: string): void {
  const kind = STORES.find((each) => each.name === name)!;
  describeWith(kind.needs, kind.name, () => {
    describe("commit", () => commitSuite(kind));
    describe("exactly once", () => exactlyOnceSuite(kind));
    describe("callers", () => callersSuite(kind));
    describe("former callers", () => formerCallersSuite(kind));
    describe("reads", () => readsSuite(kind));
    describe("changes", () => changesSuite(kind));
    describe("columns", () => columnsSuite(kind));
    describe("covers", () => coversSuite(kind));
    describe("many changes", () => manyChangesSuite(kind));
    describe("settings", () => settingsSuite(kind));
    describe("deleting", () => deletingSuite(kind));
    describe("bulk", () => bulkSuite(kind));
    describe("catalogue", () => catalogueSuite(kind));
    describe("epoch", () => epochSuite(kind));
    describe("key uses", () => keyUsesSuite(kind));
    describe("rollback", () => rollbackSuite(kind));
    describe("time", () => timeSuite(kind));
    describe("time in reads", () => timeReadsSuite(kind));
    describe("limits", () => limitsSuite(kind));
    describe("history", () => historySuite(kind));
    describe("policies", () => policiesSuite(kind));
    describe("measured", () => measuredSuite(kind));
    describe("size", () => sizeSuite(kind));
    describe("model", () => modelSuite(kind));
    if (kind.name !== "memory") describe("twins", () => twinsSuite(kind)); // It is what the others are compared with.
  });
}
