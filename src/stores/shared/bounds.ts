/**
 * What a database refuses although the rule let it through: the backstop of `decide`, CHECKs by these names on the
 * tables of counts; and whatever the operator has set up there besides.
 */
import type { Fixed } from "../../core/counter.ts";
import type { Refusal } from "../../core/errors.ts";
import { Verb } from "../../core/op.ts";
import type { Write } from "./one-by-one.ts";

/** The constraints by name: `CHECK (value >= min_value)` and `CHECK (value <= max_value)`. */
type BoundsConstraint = "value_at_least_min" | "value_at_most_max";

/**
 * What an operation is told that the database has a constraint against.
 *
 * @param constraint  its name, or what there is of one: of a trigger, what it says
 */
export function refusalOf(constraint: string, { op, before, expired, after }: Write): Refusal {
  const { min, max, value } = after;
  const previous = before === undefined || expired ? after.initial : before.value;
  const bound = boundIn(constraint, after);
  if (bound === undefined) return { code: "CONSTRAINT_VIOLATED", constraint: shown(constraint) };
  if (op.verb === Verb.UPDATE) {
    const given = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    return { code: "VALUE_OUTSIDE_BOUNDS", field: "value", requested: previous, ...given };
  }
  return bound === "value_at_most_max"
    ? { code: "ABOVE_MAX", value: previous, max: max!, requested: value - previous }
    : { code: "BELOW_MIN", value: previous, min: min!, requested: previous - value };
}

/** Which of our own it is; none where the counter has no such bound, whatever the name. */
function boundIn(constraint: string, { min, max }: Pick<Fixed, "min" | "max">): BoundsConstraint | undefined {
  if (constraint === "value_at_least_min" && min !== undefined) return constraint;
  return constraint === "value_at_most_max" && max !== undefined ? constraint : undefined;
}

/** In one line, and no longer than a message may be: what triggers say is anybody's text. */
function shown(constraint: string): string {
  const line = constraint.replaceAll(/[\p{C}\s]+/gu, " ").trim();
  if (Buffer.byteLength(line) <= SHOWN_BYTES) return line;
  const letters = [...line];
  while (Buffer.byteLength(letters.join("")) > SHOWN_BYTES - 3) letters.pop();
  return `${letters.join("")}…`;
}

/** As long as names may be in PostgreSQL. */
const SHOWN_BYTES = 63;
