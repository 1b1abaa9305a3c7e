/** The longest API key or token that a server reads, in bytes. */
export const API_KEY_BYTES_MAX = 8_192;

/** Whether a text can be an API key or a token: what a header can carry, without spaces. */
export function isApiKey(text: string): boolean {
  return text.length <= API_KEY_BYTES_MAX && /^[!-~]+$/.test(text);
}

/**
 * Whether nobody on the way to a server can read what is sent: over TLS, or when it does not leave this machine. Names
 * other than `localhost` are asked of whoever answers for them, so that they say nothing.
 *
 * @param server  HOST:PORT, for TLS with https:// before it
 */
export function isPrivateWay(server: string): boolean {
  return server.startsWith("https://") || /^(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+$/i.test(server);
}
