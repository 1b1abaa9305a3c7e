/** JSON of which no digit is lost. */

type Reviver = (key: string, value: unknown, context: { source: string }) => unknown;

/** What a text says; undefined when it is not JSON. */
export function parsed(text: string, reviver?: Reviver): unknown {
  try {
    return JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1]);
  } catch {
    return undefined;
  }
}

/** Numbers become the texts that they are written as: a float would round those from 2^53 on. */
export const numbersAsWritten: Reviver = (_key, value, { source }) =>
  typeof value === "number" ? source : value;
