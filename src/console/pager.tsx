import type { Counters } from "./counters.ts";

/** Leads through the pages; what is on them need not be counted for it. */
export function Pager({ counters }: { counters: Counters }) {
  const number = counters.tokens.value.length;
  const more = (counters.page.value?.nextToken ?? "") !== "";
  if (number === 1 && !more) return null;
  const turned = () => window.scrollTo({ top: 0 });
  return (
    <nav class="pager" aria-label="Pages">
      <Turn
        label="Previous"
        possible={number > 1}
        onTurn={() => {
          counters.previousPage();
          turned();
        }}
      />
      <span aria-current="page">Page {number}</span>
      <Turn
        label="Next"
        possible={more && counters.page.value?.token === counters.tokens.value.at(-1)}
        onTurn={() => {
          counters.nextPage();
          turned();
        }}
      />
    </nav>
  );
}

/** Keeps the focus also when it leads no further: a button that is `disabled` would lose it. */
function Turn({ label, possible, onTurn }: { label: string; possible: boolean; onTurn: () => void }) {
  return (
    <button type="button" aria-disabled={!possible} onClick={() => possible && onTurn()}>
      {label}
    </button>
  );
}
