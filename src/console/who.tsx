import type { KeyHolder, Who } from "./key-holder.ts";
import { whenText } from "./times.ts";

/** Who the person is to the server, and what they may do; nothing where the server does not ask. */
export function WhoView({ caller }: { caller: KeyHolder }) {
  const who = caller.who.value;
  const hasKey = caller.hasKey.value;
  if (who === undefined && !hasKey) return null;
  return (
    <details
      class="who"
      onKeyDown={({ key, currentTarget }) => {
        if (key !== "Escape" || !currentTarget.open) return;
        currentTarget.open = false;
        currentTarget.querySelector("summary")?.focus();
      }}
    >
      <summary>{who?.name ?? "With a key"}</summary>
      <div class="about-who">
        {who && <May who={who} />}
        <div class="choices">
          {hasKey && (
            <button type="button" onClick={() => caller.forget()}>
              Forget the key
            </button>
          )}
          <button type="button" onClick={() => caller.ask()}>
            {hasKey ? "Use another" : "Use a key"}
          </button>
        </div>
      </div>
    </details>
  );
}

function May({ who: { texts, until } }: { who: Who }) {
  return (
    <>
      <p id="may">{texts.length === 0 ? "You may do nothing here." : "You may:"}</p>
      {texts.length > 0 && (
        <ul aria-labelledby="may">
          {texts.map((text) => (
            <li key={text}>
              <GrantText text={text} />
            </li>
          ))}
        </ul>
      )}
      {until && <p class="hint">Until {whenText(until, new Date())}</p>}
    </>
  );
}

/** "increment, create on shop." */
function GrantText({ text }: { text: string }) {
  const at = text.indexOf("@");
  const on = text.slice(at + 1);
  return (
    <>
      {text.slice(0, at).replaceAll(",", ", ")}
      {on === "" ? " on all counters" : " on "}
      {on !== "" && <code>{on.startsWith("=") ? on.slice(1) : `${on}*`}</code>}
    </>
  );
}
