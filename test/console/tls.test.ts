/** The page over TLS, where it may be called by the name that its certificate has. */
import { afterAll, expect, it } from "vitest";
import { authority, LOCAL_NAMES } from "../support/certificates.ts";
import { describeWith } from "../support/needs.ts";
import { open } from "../transports/door.ts";
import { BROWSER, button, newTab, OTHER_NAME, shows, useBrowser } from "./browser.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());

describeWith([BROWSER], "the page over TLS", () => {
  useBrowser();

  it("counts by the name of its certificate", async () => {
    const files = AUTHORITY.issue(`DNS:${OTHER_NAME},${LOCAL_NAMES}`);
    await using opened = await open({ tls: { ...files, ca: AUTHORITY.ca } });
    await opened.client.increment({ name: "visits", amount: 41n });
    const page = await newTab({ ignoreHTTPSErrors: true }); // It has no list of authorities that a test could add to.
    const shown = await page.goto(`https://${OTHER_NAME}:${opened.door.port}/`);
    expect((await shown!.securityDetails())?.subjectName).toBe("tally");
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "42");
    await expect.poll(async () => (await opened.store.get(["visits"]))[0]).toMatchObject({ value: 42n });
  });
});
