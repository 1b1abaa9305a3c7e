import {
  CucumberExpression,
  CucumberExpressionGenerator,
  ParameterType,
  ParameterTypeRegistry,
} from "@cucumber/cucumber-expressions";
import type { ScenarioStep } from "./plugin.ts";

/** The rows of a step's data table; empty when it has none. */
export type Table = readonly (readonly string[])[];

/** What a placeholder of an expression becomes. */
interface Parameters {
  /** Text in quotes. */
  string: string;
  /** A whole number of any size, thousands separated by commas or not: 42, -9,223,372,036,854,775,808. */
  number: bigint;
  /** A small whole number, for how often something is done. */
  int: number;
  /** A name in capitals: ABOVE_MAX. */
  reason: string;
}

type ArgumentsOf<Expression extends string> =
  Expression extends `${string}{${infer Name extends keyof Parameters}}${infer Rest}`
    ? [Parameters[Name], ...ArgumentsOf<Rest>]
    : [];

/** What the steps of the features mean, for a world `W` that each scenario gets anew. */
export class Steps<W> {
  readonly #types = new ParameterTypeRegistry();
  readonly #definitions: Definition<W>[] = [];

  constructor() {
    const whole = /-?\d{1,3}(?:,\d{3})+|-?\d+/;
    const toBigInt = (digits: string) => BigInt(digits.replaceAll(",", ""));
    this.#types.defineParameterType(new ParameterType("number", whole, null, toBigInt, true, true));
    this.#types.defineParameterType(
      new ParameterType("reason", /[A-Z][A-Z_]+[A-Z]/, null, (text: string) => text, true),
    );
  }

  /** Say what a step does. The expression's placeholders, then the data table, are the arguments of `run`. */
  define<const Expression extends string>(
    expression: Expression,
    run: (world: W, ...rest: [...ArgumentsOf<Expression>, table: Table]) => unknown,
  ): void {
    this.#definitions.push({
      expression: new CucumberExpression(expression, this.#types),
      run: (world, rest) => run(world, ...(rest as [...ArgumentsOf<Expression>, Table])),
      takes: run.length - 1,
    });
  }

  /**
   * Find what a step means.
   *
   * @throws  Error that names the step, and says what to do: when no definition fits, more than one does, or its
   *          table would be lost
   */
  find({ text, at, table }: ScenarioStep): { expression: string; run: (world: W) => unknown } {
    const hits = this.#definitions.flatMap((definition) => {
      const matched = definition.expression.match(text);
      return matched === null ? [] : [{ definition, values: matched.map((m) => m.getValue<unknown>(null)) }];
    });
    const [hit, ...others] = hits;
    if (hit === undefined) throw new Error(`${at}: undefined step: ${text}\n${this.#proposal(text, table)}`);
    if (others.length > 0) {
      const fitting = hits.map(({ definition }) => `  ${definition.expression.source}`);
      throw new Error(`${at}: ambiguous step: ${text}\nAll of these fit:\n${fitting.join("\n")}`);
    }
    const { definition, values } = hit;
    if (table.length > 0 && definition.takes <= values.length) {
      throw new Error(`${at}: the step has a table, but its definition takes none: ${text}`);
    }
    return {
      expression: definition.expression.source,
      run: (world) => definition.run(world, [...values, table]),
    };
  }

  /** The expressions of all definitions. */
  get expressions(): string[] {
    return this.#definitions.map(({ expression }) => expression.source);
  }

  #proposal(text: string, table: Table): string {
    const all = new CucumberExpressionGenerator(() => this.#types.parameterTypes).generateExpressions(text);
    const generated =
      all.find(({ source }) => !/\{(int|float|double|byte|short|long)/.test(source)) ?? all[0]!;
    const names = generated.parameterInfos.map(({ name, count }) => `${name}${count > 1 ? count : ""}`);
    const parameters = ["world", ...names, ...(table.length > 0 ? ["table"] : [])];
    return `Define it in test/features/steps/:

step(${JSON.stringify(generated.source)}, async (${parameters.join(", ")}) => {
  throw new Error("to be written");
});`;
  }
}

interface Definition<W> {
  readonly expression: CucumberExpression;
  readonly run: (world: W, rest: readonly unknown[]) => unknown;
  /** How many arguments it takes beside the world. */
  readonly takes: number;
}
