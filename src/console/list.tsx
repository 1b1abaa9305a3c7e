import type { ListProps } from "./props.ts";
import { CounterRow } from "./row.tsx";
import { moveAmongRows } from "./row-focus.ts";

/** The page of counters, or what there is to say where there is none. */
export function ListView(props: ListProps) {
  const { counters, asked } = props;
  const page = counters.page.value;
  const link = counters.poller.link.value;
  if (page === undefined) return <p class="empty">{link.kind === "opening" ? "Loading …" : ""}</p>;
  const prefix = counters.prefix.value;
  if (page.listed.length === 0 && page.prefix === prefix) {
    return <Empty prefix={prefix} create={() => (asked.value = { kind: "create", name: prefix })} />;
  }
  const behind =
    page.prefix !== prefix ||
    page.token !== counters.tokens.value.at(-1) ||
    link.kind === "away" ||
    link.kind === "barred";
  return (
    <ul class={`list${behind ? " behind" : ""}`} aria-label="Counters" onKeyDown={moveAmongRows}>
      {page.listed.map(({ name, counter }) => (
        <CounterRow key={name} name={name} counter={counter} {...props} />
      ))}
    </ul>
  );
}

function Empty({ prefix, create }: { prefix: string; create: () => void }) {
  const command = `curl -X POST ${location.origin}/v1/counters/visits:increment`;
  return (
    <div class="empty">
      {prefix === "" ? (
        <>
          <p>
            <strong>Nothing is counted yet.</strong>
          </p>
          <p>Make a counter here, or count from anywhere:</p>
          <pre>
            <code>{command}</code>
          </pre>
        </>
      ) : (
        <>
          <p>
            No name begins with <code>{prefix}</code>.
          </p>
          <button type="button" onClick={create}>
            Create it
          </button>
        </>
      )}
    </div>
  );
}
