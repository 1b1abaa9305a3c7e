/** The page for eyes, ears and keyboards: axe-core finds nothing, and no flow needs a mouse. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { violations } from "../support/axe.ts";
import { describeWith } from "../support/needs.ts";
import { type Opened, open } from "../transports/door.ts";
import { BROWSER, button, row, shows, told, useBrowser, visit } from "./browser.ts";

useBrowser();

/** Names and values as long as they get, and one of each kind of row. */
async function everyKind({ client }: Opened): Promise<void> {
  await client.set({ name: "a.low", value: -(2n ** 63n) + 1n });
  await client.createCounter({
    name: "b.quota",
    initial: 731n,
    min: 0n,
    max: 1_000n,
    onBound: 2,
    description: "Calls of this month, over all keys of a customer and in all regions",
    labels: { team: "web", env: "prod", "a.long-label-of-the-kind-that-tools-write": "x".repeat(60) },
  });
  await client.createCounter({ name: "c.downloads", value: 88_123n, monotonic: true });
  await client.increment({ name: "d".repeat(200) });
}

describeWith([BROWSER], "for everybody", () => {
  describe.each(["light", "dark"] as const)("axe-core finds nothing in the %s page", (colorScheme) => {
    it("as a list, with a refusal, and in each dialog", async () => {
      await using opened = await open();
      await everyKind(opened);
      const page = await visit(opened.door.port, { colorScheme, reducedMotion: "reduce" });
      await page.getByLabel("Step").fill("1000000");
      await button(page, "a.low", "decrement").click();
      await row(page, "a.low").getByRole("alert").waitFor();
      await page.getByLabel("Step").fill("none");
      await page.getByLabel("Search").fill("ö");
      await page.locator("search").getByRole("alert").waitFor();
      expect(await violations(page)).toEqual([]);
      await page.getByRole("button", { name: "New counter" }).click();
      await page.getByLabel("Maximum").fill("x");
      await page.getByLabel("Name").fill("two words");
      await page.getByRole("button", { name: "Add a label" }).click();
      await page.getByLabel("Value of label 1").fill("without a key");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("A label needs a key").waitFor();
      expect(await violations(page)).toEqual([]);
      await page.getByRole("button", { name: "Remove label 1" }).click();
      await page.getByLabel("Maximum").fill("1");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByRole("dialog").getByText("without spaces or accents").waitFor();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await button(page, "b.quota", "set").click();
      await page.getByLabel("New value").fill("9");
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await button(page, "b.quota", "reset").click();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await button(page, "b.quota", "edit").click();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await button(page, "b.quota", "delete").click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      expect(await violations(page)).toEqual([]);
    });

    it("with nothing in it, and with the server away, at 320 pixels", async () => {
      await using opened = await open();
      const page = await visit(opened.door.port, { colorScheme, viewport: { width: 320, height: 640 } });
      expect(await violations(page)).toEqual([]);
      await everyKind(opened);
      await row(page, "b.quota").waitFor();
      await page.route("**/tally.v1.*/*", (route) => route.abort());
      await page.getByText("The server does not answer.").waitFor();
      await button(page, "b.quota", "increment").click();
      await row(page, "b.quota").getByText("Sending this change again").waitFor();
      expect(await violations(page)).toEqual([]);
    });
  });

  it.each([320, 375, 768, 1280, 2560])("%s pixels hold it without scrolling sideways", async (width) => {
    await using opened = await open();
    await everyKind(opened);
    const page = await visit(opened.door.port, { viewport: { width, height: 700 } });
    const overflowing = `[...document.querySelectorAll("body *")]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest("h1"))
      .map((e) => e.outerHTML.slice(0, 80))`;
    expect(await page.evaluate(overflowing)).toEqual([]);
    await button(page, "b.quota", "set").click();
    expect(await page.evaluate(overflowing)).toEqual([]);
    await page.keyboard.press("Escape");
    await button(page, "b.quota", "edit").click();
    expect(await page.evaluate(overflowing)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
  });

  it("a refusal is in sight, also in a dialog that is larger than the screen", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "taken" });
    const page = await visit(opened.door.port, { viewport: { width: 320, height: 480 } });
    await page.getByRole("button", { name: "New counter" }).click();
    await page.keyboard.type("taken");
    await page.keyboard.press("Enter");
    const note = page.getByRole("dialog").getByRole("alert");
    await note.waitFor();
    const { y, height } = (await note.boundingBox())!;
    expect([y >= 0, y + height <= 480]).toEqual([true, true]);
  });

  it("the keyboard alone makes, counts, sets, resets, edits and deletes, and is never lost", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "b" });
    const page = await visit(opened.door.port);
    const { keyboard } = page;
    await tabTo(page, "New counter");
    await keyboard.press("Enter");
    await keyboard.type("a"); // The focus is where one types.
    await tabTo(page, "Maximum");
    await keyboard.type("10");
    await keyboard.press("Enter");
    await shows(page, "a", "0");
    expect(await focused(page)).toBe("New counter"); // Where it came from.
    await tabTo(page, "Increment a by 1");
    await keyboard.press("Enter");
    await keyboard.press("Space");
    await shows(page, "a", "2");
    await keyboard.press("ArrowDown");
    expect(await focused(page)).toBe("Increment b by 1");
    await keyboard.press("Enter");
    await shows(page, "b", "2");
    await keyboard.press("ArrowUp");
    await keyboard.press("ArrowUp"); // There is none above.
    expect(await focused(page)).toBe("Increment a by 1");
    await tabTo(page, "Set a");
    await keyboard.press("Enter");
    await keyboard.type("7");
    await keyboard.press("Escape");
    expect(await focused(page)).toBe("Set a");
    await keyboard.press("Enter");
    await keyboard.type("11");
    await keyboard.press("Enter");
    await page.getByRole("alert").getByText("11 is outside the bounds none to 10.").waitFor();
    await keyboard.press("Control+a");
    await keyboard.type("8");
    await keyboard.press("Enter");
    await shows(page, "a", "8");
    await tabTo(page, "Reset a");
    await keyboard.press("Enter");
    await tabTo(page, "Reset");
    await keyboard.press("Enter");
    await shows(page, "a", "0");
    expect(await focused(page)).toBe("Reset a");
    await tabTo(page, "Edit the settings of a");
    await keyboard.press("Enter");
    await keyboard.press("Control+a"); // The focus is in the first field.
    await keyboard.type("3");
    await tabTo(page, "Add a label");
    await keyboard.press("Enter");
    await keyboard.type("team"); // No key is lost.
    await keyboard.press("Tab");
    await keyboard.type("web");
    await tabTo(page, "Add a label");
    await keyboard.press("Enter");
    expect(await focused(page)).toBe("Key of label 2");
    await tabTo(page, "Remove label 2");
    await keyboard.press("Enter");
    await expect.poll(() => focused(page)).toBe("Remove label 1, team"); // Its neighbour's.
    await tabTo(page, "Save");
    await keyboard.press("Enter");
    await row(page, "a").getByText("team=web").waitFor();
    expect(await focused(page)).toBe("Edit the settings of a");
    expect(await told(page).textContent()).toBe("Changed the settings of a.");
    await tabTo(page, "Delete a");
    await keyboard.press("Enter");
    await keyboard.type("a");
    await keyboard.press("Enter");
    await row(page, "a").waitFor({ state: "detached" });
    await expect.poll(() => focused(page)).toBe("Delete b"); // Its neighbour's.
    expect(await told(page).textContent()).toBe("Deleted a; its last value was 0.");
  });

  it("a dialog keeps the keyboard inside", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port);
    await page.getByRole("button", { name: "New counter" }).click();
    const inside = new Set<string>();
    for (let i = 0; i < 24; i++) {
      await page.keyboard.press("Tab");
      inside.add(await page.evaluate<string>(`document.activeElement.closest("dialog, body").localName`));
      expect(await focused(page)).not.toBe("Search");
    }
    expect(inside).toContain("dialog");
  });

  it("what a screen reader hears of a row says which counter it is about", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "c.downloads", value: 88_123n, monotonic: true });
    const page = await visit(opened.door.port);
    expect(await page.getByRole("list", { name: "Counters" }).ariaSnapshot()).toBe(
      [
        '- list "Counters":',
        "  - listitem:",
        '    - heading "c.downloads" [level=2]',
        "    - paragraph: never goes down",
        "    - paragraph: 88,123",
        "    - 'button \"Decrement c.downloads by 1: it never goes down\" [disabled]': −",
        '    - button "Increment c.downloads by 1": +',
        '    - button "History of c.downloads": History',
        '    - button "Set c.downloads": Set',
        "    - 'button \"Reset c.downloads: it never goes down\" [disabled]': Reset",
        '    - button "Edit the settings of c.downloads": Edit',
        '    - button "Delete c.downloads": Delete',
      ].join("\n"),
    );
  });
});

/** The accessible name of what has the focus. */
function focused(page: Page): Promise<string> {
  return page.evaluate(`{
    const { activeElement: e } = document;
    e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent;
  }`);
}

async function tabTo(page: Page, name: string): Promise<void> {
  for (let tabs = 0; tabs < 40; tabs++) {
    if ((await focused(page)) === name) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`expected the Tab key to lead to ${name}; it is at ${await focused(page)}`);
}
