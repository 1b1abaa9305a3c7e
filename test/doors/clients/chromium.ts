import { chromium as playwright } from "playwright-core";
import { BROWSER, CHROMIUM } from "../../console/browser.ts";
import { DEFAULT_TIMEOUT_MS, type ManyCallsClient } from "./client.ts";
import { answerOf, endedHere, postOf } from "./connect-unary.ts";

/** A page in Chromium, by Connect: over HTTP/2, which it speaks over TLS alone, where the server offers it. */
export const chromium: ManyCallsClient = {
  name: "Chromium",
  needs: [BROWSER],
  async open(address) {
    const browser = await playwright.launch({ executablePath: CHROMIUM! });
    const page = await browser.newPage({ ignoreHTTPSErrors: true });
    await page.goto(`https://${address}/livez`);
    return {
      async call(method, request, how = {}) {
        const { path, headers, body } = postOf(method, request, how);
        const { timeoutMs = DEFAULT_TIMEOUT_MS, cancelAfterMs } = how;
        const base64 = Buffer.from(body).toString("base64");
        const got = await page.evaluate(post, { path, headers, base64, timeoutMs, cancelAfterMs });
        if (typeof got !== "string") return answerOf(method, got.status, Buffer.from(got.base64, "base64"));
        if (got === "AbortError") return endedHere("CANCELLED");
        if (got === "TimeoutError") return endedHere("DEADLINE_EXCEEDED");
        throw new Error(got);
      },
      close: () => browser.close(),
    };
  },
};

interface Posted {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly base64: string;
  readonly timeoutMs: number;
  readonly cancelAfterMs: number | undefined;
}

/** In the page. @returns the name of the error, where there is no answer */
async function post({ path, headers, base64, timeoutMs, cancelAfterMs }: Posted) {
  const given = new AbortController();
  if (cancelAfterMs !== undefined) setTimeout(() => given.abort(), cancelAfterMs);
  const signal = AbortSignal.any([given.signal, AbortSignal.timeout(timeoutMs)]);
  const body = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  try {
    const response = await fetch(path, { method: "POST", headers, body, signal });
    const bytes = new Uint8Array(await response.arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return { status: response.status, base64: btoa(text) };
  } catch (error) {
    const { name, message } = error as Error;
    return name === "AbortError" || name === "TimeoutError" ? name : `${name}: ${message}`;
  }
}
