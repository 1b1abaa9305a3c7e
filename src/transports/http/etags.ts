/**
 * What the ETag header of HTTP names. The answer to a GET shows a counter's settings beside its value, so what names it
 * names both: the counter's etag, and the end of its settings_etag behind it ("UID.4.s2"). A change asks with If-Match
 * for the part that it is about.
 *
 * @see docs/decisions/0025-an-etag-header-names-value-and-settings.md
 */

/** What names the counter that an answer is about; undefined when it is about none, or about many. */
export function etagIn(answer: object): string | undefined {
  const { counter, outcome } = answer as { counter?: Etags; outcome?: Partial<Etags> };
  return counter === undefined ? outcome?.etag : validatorOf(counter);
}

interface Etags {
  readonly etag: string;
  readonly settingsEtag: string;
}

/** What names a counter as a whole. */
function validatorOf({ etag, settingsEtag }: Etags): string {
  return `${etag}${settingsEtag.slice(settingsEtag.lastIndexOf("."))}`;
}

/** The etags in what names a counter as a whole; both undefined when it does not. */
export function partsOf(validator: string): Partial<Etags> {
  const [, etag, uid, settings] = /^((.+)\.[0-9]+)(\.s[0-9]+)$/.exec(validator) ?? [];
  return etag === undefined ? {} : { etag, settingsEtag: `${uid}${settings}` };
}
