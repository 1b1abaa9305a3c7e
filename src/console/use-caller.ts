import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Caller } from "./caller.ts";
import type { Counters } from "./counters.ts";
import { readablePrefix } from "./may.ts";

/** Has the list follow who looks at it: what one may see is not left on the page for another, and it is asked anew. */
export function useCaller(counters: Counters, caller: Caller): void {
  const before = useRef(caller.identity.peek());
  useSignalEffect(() => {
    const now = caller.identity.value;
    if (now === before.current) return;
    before.current = now;
    counters.page.value = undefined;
    counters.poller.askNow();
  });
  useSignalEffect(() => {
    const prefix = counters.prefix.peek();
    const readable = readablePrefix(caller.who.value?.grants, prefix);
    if (prefix === "" && readable !== prefix) counters.search(readable);
  });
}
