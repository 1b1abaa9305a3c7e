import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import "../run.ts";
import { STEPS } from "../steps.ts";
import { readFeature } from "./plugin.ts";
import { Steps } from "./steps.ts";

describe("reading a feature", () => {
  const feature = `Feature: Shop
  Background:
    Given a shop

  Scenario Outline: Buying <count>
    When I buy <count>
      | what | <what> |

    Examples:
      | count | what   |
      | 1     | apples |
      | 2     | pears  |

  Rule: Closed on Sundays
    Scenario: Sunday
      Then nobody buys`;

  it("backgrounds and outlines become plain scenarios, and each step knows its line", () => {
    const background = { text: "a shop", at: "shop.feature:3", table: [] };
    expect(readFeature(feature, "shop.feature")).toEqual({
      name: "Shop",
      scenarios: [
        {
          name: "Buying 1",
          steps: [background, { text: "I buy 1", at: "shop.feature:6", table: [["what", "apples"]] }],
        },
        {
          name: "Buying 2",
          steps: [background, { text: "I buy 2", at: "shop.feature:6", table: [["what", "pears"]] }],
        },
        {
          name: "Sunday",
          steps: [background, { text: "nobody buys", at: "shop.feature:16", table: [] }],
        },
      ],
    });
  });

  it("a mistake in the feature says where", () => {
    expect(() =>
      readFeature("Feature: Shop\n  Scenario: A\n    Given a\n    Perhaps b\n", "shop.feature"),
    ).toThrow("(4:5)");
  });
});

describe("finding what a step means", () => {
  const steps = new Steps<string[]>();
  steps.define("I buy {int} apple(s)", (world, count) => world.push(`${count}`));
  steps.define("I buy {number} {string}", (world, count, what) => world.push(`${count} ${what}`));
  steps.define("I buy {number} things", (world, count) => world.push(`${count} things`));
  steps.define("I buy {int} things", (world, count) => world.push(`${count} things`));
  steps.define("I pay with", (world, table) => world.push(JSON.stringify(table)));
  const find = (text: string, table: string[][] = []) => steps.find({ text, at: "shop.feature:7", table });

  it.each([
    ["I buy 1 apple", "1"],
    ['I buy 2 "pears"', "2 pears"],
    ['I buy 9,223,372,036,854,775,807 "atoms"', "9223372036854775807 atoms"],
    ['I buy -12 "debts"', "-12 debts"],
  ])("%s", (text, expected) => {
    const world: string[] = [];
    find(text).run(world);
    expect(world).toEqual([expected]);
  });

  it("a table is the last argument", () => {
    const world: string[] = [];
    find("I pay with", [["coins", "3"]]).run(world);
    expect(world).toEqual(['[["coins","3"]]']);
  });

  it("an undefined step fails with a definition ready to paste", () => {
    expect(() =>
      find('I sell 3 "apples"', [["price", "2"]]),
    ).toThrow(`shop.feature:7: undefined step: I sell 3 "apples"
Define it in test/features/steps/:

step("I sell {number} {string}", async (world, number, string, table) => {
  throw new Error("to be written");
});`);
  });

  it("an ambiguous step fails and names what fits", () => {
    expect(() => find("I buy 3 things")).toThrow(`shop.feature:7: ambiguous step: I buy 3 things
All of these fit:
  I buy {number} things
  I buy {int} things`);
  });

  it("a table that the definition would lose fails", () => {
    expect(() => find("I buy 1 apple", [["price", "2"]])).toThrow("its definition takes none");
  });
});

describe("the features and their steps", () => {
  const folder = path.resolve(import.meta.dirname, "..");
  const features = readdirSync(folder).filter((name) => name.endsWith(".feature"));
  const used = features.flatMap((name) =>
    readFeature(readFileSync(path.join(folder, name), "utf8"), name).scenarios.flatMap(({ steps }) =>
      steps.map((step) => STEPS.find(step).expression),
    ),
  );

  it("every definition is used", () => {
    expect(STEPS.expressions.filter((expression) => !used.includes(expression))).toEqual([]);
  });
});
