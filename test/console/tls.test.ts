/** The page over TLS, where it may be called by the name that its certificate has. */
import { afterAll, expect, it } from "vitest";
import { authority, LOCAL_NAMES } from "../support/certificates.ts";
import { describeWith } from "../support/needs.ts";
import { open } from "../transports/door.ts";
import { ENGINES } from "../transports/engine.ts";
import { BROWSER, button, newTab, OTHER_NAME, shows, useBrowser } from "./browser.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());

describeWith([BROWSER], "the page over TLS", () => {
  useBrowser();

  it.for(ENGINES)("counts by the name of its certificate (http2-engine %s)", async (http2Engine) => {
    const files = AUTHORITY.issue(`DNS:${OTHER_NAME},${LOCAL_NAMES}`);
    await using opened = await open({ tls: { ...files, ca: AUTHORITY.ca }, http2Engine });
    await opened.client.increment({ name: "visits", amount: 41n });
    const page = await newTab({ ignoreHTTPSErrors: true }); // It has no list of authorities that a test could add to.
    const shown = await page.goto(`https://${OTHER_NAME}:${opened.door.port}/`);
    expect((await shown!.securityDetails())?.subjectName).toBe("tally");
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "42");
    const spoken = await page.evaluate(() =>
      performance
        .getEntries()
        .map((entry) => (entry as { nextHopProtocol?: string }).nextHopProtocol)
        .filter((protocol) => protocol !== undefined),
    );
    // The page itself, its files and its calls.
    expect(spoken.length).toBeGreaterThan(3);
    expect(new Set(spoken)).toEqual(new Set([http2Engine === "own" ? "h2" : "http/1.1"]));
    await expect.poll(async () => (await opened.store.get(["visits"]))[0]).toMatchObject({ value: 42n });
  });
});
