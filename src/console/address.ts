/** The page's address says what is searched for and which page of it is shown, to be kept, sent and gone back to. */
import { type Counters, lastOf, type Place } from "./counters.ts";

/**
 * Go where the address leads, and keep it up: a page that is turned to and a search are each a step of the browser's
 * Back; the letters of one search are not.
 */
export function keepAddress(counters: Counters): void {
  counters.goTo(placeOf(new URL(location.href), history.state));
  window.addEventListener("popstate", () => counters.goTo(placeOf(new URL(location.href), history.state)));
  counters.place.subscribe((place) => {
    // What somebody may see is not in it: whoever comes by that address may see something else.
    const url = addressOf(place.by === "grants" ? EVERYTHING : place, new URL(location.href));
    if (place.by === "address" || url.href === location.href) return;
    const state: Entry = { by: place.by, tokens: place.tokens };
    const typedOn = place.by === "search" && (history.state as Entry | null)?.by === "search";
    if (place.by === "server" || place.by === "grants" || typedOn) history.replaceState(state, "", url);
    else history.pushState(state, "", url);
  });
}

const EVERYTHING = { prefix: "", tokens: [""] } as const;

/** What the browser keeps beside an address. */
type Entry = Pick<Place, "by" | "tokens">;

function addressOf({ prefix, tokens }: Pick<Place, "prefix" | "tokens">, now: URL): URL {
  const parameters = {
    prefix,
    page: tokens.length === 1 ? "" : `${tokens.length}`,
    from: lastOf(tokens),
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (value === "") now.searchParams.delete(name);
    else now.searchParams.set(name, value);
  }
  return now;
}

/** @param entry  what the browser kept; of an address that somebody sent there is nothing */
function placeOf({ searchParams }: URL, entry: Entry | null): Place {
  const prefix = searchParams.get("prefix") ?? "";
  const from = searchParams.get("from") ?? "";
  const number = Number(searchParams.get("page"));
  const by = "address";
  if (from === "" || !Number.isInteger(number) || number < 2 || number > NUMBER_MAX)
    return { prefix, tokens: [""], by };
  if (entry?.tokens.length === number && lastOf(entry.tokens) === from)
    return { prefix, tokens: entry.tokens, by };
  return { prefix, tokens: ["", ...Array<undefined>(number - 2).fill(undefined), from], by };
}

/** Of pages; what is beyond was not written by this page. */
const NUMBER_MAX = 1_000_000;
