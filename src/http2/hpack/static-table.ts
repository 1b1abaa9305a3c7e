/** A field of the static or a dynamic table (RFC 7541, section 2.3). */
export interface Entry {
  readonly name: string;
  readonly value: string;
  /** As RFC 7541, section 4.1 counts: octets of name and value, and 32. */
  readonly bytes: number;
  /** Whether the name is one that HTTP/2 allows; a table keeps those too that it does not. */
  readonly nameValid: boolean;
  /** Whether name and value both are. */
  readonly valid: boolean;
}

/** What an entry takes beside its octets (RFC 7541, section 4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/** RFC 7541, appendix A, in its order: a name, and after a space a value. Index 1 is the first. */
const FIELDS = `
:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|
:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|
last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|
server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`;

/** The static table (RFC 7541, appendix A); its index 1 is here 0. */
export const STATIC_TABLE: readonly Entry[] = FIELDS.replaceAll("\n", "")
  .split("|")
  .map((field) => {
    const space = field.indexOf(" ");
    const name = space < 0 ? field : field.slice(0, space);
    const value = space < 0 ? "" : field.slice(space + 1);
    return {
      name,
      value,
      bytes: name.length + value.length + ENTRY_OVERHEAD_BYTES,
      nameValid: true,
      valid: true,
    };
  });

/** Where a name first is in the static table, by its index from 1; undefined where it is not. */
export const STATIC_INDEX_OF_NAME: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(({ name }, at) => [name, at + 1] as const).reverse(),
);
