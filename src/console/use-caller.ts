import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Caller } from "./caller.ts";
import type { Counters } from "./counters.ts";
import { readablePrefix } from "./may.ts";

/**
 * Has the list follow who looks at it: what one may see is not left on the page for another, and it is asked anew. Where
 * nothing is searched for, it begins with what they may see.
 */
export function useCaller(counters: Counters, caller: Caller): void {
  const before = useRef(caller.identity.peek());
  /** The search that was filled in for who looked. */
  const filled = useRef("");
  useSignalEffect(() => {
    const identity = caller.identity.value;
    const { prefix, by } = counters.place.value;
    const isAnother = identity !== before.current;
    before.current = identity;
    if (isAnother) counters.page.value = undefined;
    const own = isAnother && prefix === filled.current ? "" : prefix;
    // Whoever has emptied the search wants it empty.
    const wanted =
      own !== "" || (by === "search" && !isAnother) ? own : readablePrefix(caller.who.value?.grants, own);
    if (wanted !== prefix) {
      filled.current = wanted;
      counters.goTo({ prefix: wanted, tokens: [""], by: "grants" });
    } else if (isAnother) counters.poller.askNow();
  });
}
