/** Few at a time: each holds up to a whole message that nothing has judged yet, however small it came. */
const INFLATING_MAX = 4;
let inflating = 0;
const waiting: (() => void)[] = [];

/** Take what came compressed apart in its turn, for all doors and connections together. */
export async function inflateInTurn<T>(inflate: () => Promise<T>): Promise<T> {
  if (inflating === INFLATING_MAX) await new Promise<void>((turn) => waiting.push(turn));
  else inflating++;
  try {
    return await inflate();
  } finally {
    const next = waiting.shift();
    if (next === undefined) inflating--;
    else next();
  }
}
