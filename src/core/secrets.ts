/**
 * A text that may be the URL of a store, or was meant to be one, without what is secret in it: for messages, which many
 * may see. It hides rather too much: a mistake in such a URL is often just where its password ends.
 */
export function withoutSecrets(text: string): string {
  const [address, ...rest] = text.split("?");
  const shown = address!
    .replace(/^(.*:\/\/[^:/@%]*):.*(?:@|%40)/is, "$1:***@")
    .replace(/^(.*\/\/|[a-z][a-z0-9+.-]*:)?(?!.*:\*\*\*@).*(?:@|%40)/is, "$1***@") // Whatever its scheme is.
    .replace(/(\/\/[^:/@]*):(?!\d{1,5}(?:[/,]|$)|\*\*\*@)[^/]*.*/s, "$1:***") // Perhaps no port.
    .replaceAll(/=\s*(?:'[^']*'?|\S+)/g, "=***"); // As in "host=db password=...".
  return `${shown}${rest.length > 0 ? "?***" : ""}`.slice(0, SHOWN_MAX);
}

const SHOWN_MAX = 200;

/** A text without the secrets of API keys, and without tokens: where somebody may have given one in the wrong place. */
export function withoutApiKeys(text: string): string {
  return text
    .replaceAll(/(tally_[0-9A-Za-z]{12})_\w+/g, "$1_***")
    .replaceAll(/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, "***"); // A JWT begins with {" in base64.
}
