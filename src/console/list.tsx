import { capital } from "./actions.tsx";
import type { ListProps } from "./props.ts";
import { CounterRow } from "./row.tsx";
import { moveAmongRows } from "./row-focus.ts";

/** The page of counters, or what there is to say where there is none. */
export function ListView(props: ListProps) {
  const { counters, asked, notNew } = props;
  const page = counters.page.value;
  const link = counters.poller.link.value;
  if (page === undefined) return <p class="empty">{link.kind === "opening" ? "Loading …" : ""}</p>;
  const prefix = counters.prefix.value;
  if (page.listed.length === 0 && page.prefix === prefix) {
    const create = () => {
      if (notNew === "") asked.value = { kind: "create", name: prefix };
    };
    return <Empty prefix={prefix} notNew={notNew} create={create} />;
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

interface EmptyProps {
  readonly prefix: string;
  /** Why nothing can be created, as a clause; "" when it can. */
  readonly notNew: string;
  readonly create: () => void;
}

function Empty({ prefix, notNew, create }: EmptyProps) {
  const command = `curl -X POST ${location.origin}/v1/counters/visits:increment`;
  return (
    <div class="empty">
      {prefix === "" ? (
        <>
          <p>
            <strong>Nothing is counted yet.</strong>
          </p>
          {notNew === "" && (
            <>
              <p>Make a counter here, or count from anywhere:</p>
              <pre>
                <code>{command}</code>
              </pre>
            </>
          )}
        </>
      ) : (
        <>
          <p>
            No name begins with <q>{prefix}</q>.
          </p>
          <button
            type="button"
            aria-disabled={notNew !== ""}
            title={notNew === "" ? undefined : capital(notNew)}
            onClick={create}
          >
            Create it
          </button>
        </>
      )}
    </div>
  );
}
