/** /docs as people see it: on a phone and a large screen, light and dark, and by ear. */
import { expect, it } from "vitest";
import { BROWSER, newTab, useBrowser } from "../../console/browser.ts";
import { violations } from "../../support/axe.ts";
import { describeWith } from "../../support/needs.ts";
import { open } from "../../transports/door.ts";

useBrowser();

describeWith([BROWSER], "/docs in a browser", () => {
  it.each([
    ["light", 1280],
    ["dark", 1280],
    ["light", 320],
    ["dark", 320],
  ] as const)("%s, %s pixels wide: axe-core finds nothing, and nothing sticks out", async (scheme, width) => {
    await using opened = await open();
    const page = await newTab({ colorScheme: scheme, viewport: { width, height: 800 } });
    await page.goto(`http://127.0.0.1:${opened.door.port}/docs`);
    // Of so long a page that takes twenty seconds, and what is dark is so at every width.
    if (scheme === "light" || width === 320) expect(await violations(page)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    const [red] = /\d+/.exec(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor"))!;
    expect(Number(red) < 128).toBe(scheme === "dark"); // Its own style has passed its own policy.
  });

  it("the contents stay beside the page, and lead into it", async () => {
    await using opened = await open();
    const page = await newTab({ viewport: { width: 1280, height: 800 } });
    await page.goto(`http://127.0.0.1:${opened.door.port}/docs`);
    const contents = page.getByRole("navigation", { name: "Contents" });
    await contents.getByRole("link", { name: "BatchApply", exact: true }).click();
    const heading = (await page.getByRole("heading", { name: "BatchApply", exact: true }).boundingBox())!;
    const beside = (await contents.boundingBox())!;
    expect(heading.y).toBeGreaterThanOrEqual(0);
    expect(heading.y).toBeLessThan(800);
    expect(beside.y).toBeLessThan(800);
    expect(beside.x + beside.width).toBeLessThanOrEqual(heading.x);
  });

  it("a click takes a whole command, to be copied", async () => {
    await using opened = await open();
    const page = await newTab();
    await page.goto(`http://127.0.0.1:${opened.door.port}/docs`);
    await page.locator("#Increment pre.copy").click();
    expect(await page.evaluate("getSelection().toString()")).toBe(
      await page.locator("#Increment pre.copy").innerText(),
    );
  });
});
