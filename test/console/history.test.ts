/** The history of a counter on the page: drawn, in words point by point, as a table; by keyboard, by day and by night. */
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { fronted } from "../../src/service/fronted.ts";
import { violations } from "../support/axe.ts";
import { describeWith } from "../support/needs.ts";
import { type Opened, open } from "../transports/door.ts";
import { send } from "../transports/http.ts";
import { BROWSER, button, useBrowser, visit } from "./browser.ts";

useBrowser();

const MINUTE = 60_000;

/** A server by whose clock it is now, which has counted for an hour and a half. */
async function counted(options: Parameters<typeof open>[0] = {}): Promise<Opened> {
  const opened = await open(options);
  const { client, clock } = opened;
  const now = Date.now();
  clock.advance(now - 90 * MINUTE - clock.now());
  await client.createCounter({ name: "visits", max: 1_000n });
  for (let minute = 0; minute < 90; minute += 10) {
    await client.increment({ name: "visits", amount: 20n });
    if (minute % 30 === 0) await client.decrement({ name: "visits", amount: 2n });
    clock.advance(10 * MINUTE);
  }
  return opened;
}

/** The dialog, with its plots. */
async function historyOf(page: Page): Promise<void> {
  await button(page, "visits", "history").click();
  await page.getByRole("slider").waitFor();
}

/** Have the page say which texts there are on each canvas. */
const RECORD_TEXTS = `window.texts = new Map();
  const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...rest) {
    texts.set(this.canvas, []);
    return clearRect.apply(this, rest);
  };
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    texts.get(this.canvas)?.push(text);
    return fillText.call(this, text, ...rest);
  }`;
/** "14:05" or "Mon 30". */
const TIMES_DRAWN = `[...texts.values()].flat().filter((text) => /^(\\d\\d:\\d\\d|[A-Z][a-z]+ \\d+)$/.test(text))`;

/** In how many rows of pixels the plot of the value has the accent of the scheme. */
function accented(page: Page, colorScheme: "light" | "dark"): Promise<number> {
  const accent = colorScheme === "light" ? [15, 107, 82] : [111, 208, 176];
  return page.evaluate<number>(`(() => {
    const canvas = document.querySelector("dialog canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const [r, g, b] = ${JSON.stringify(accent)};
    const rows = new Set();
    for (let i = 0; i < data.length; i += 4)
      if (data[i] === r && data[i + 1] === g && data[i + 2] === b) rows.add(Math.floor(i / 4 / canvas.width));
    return rows.size;
  })()`);
}

const words = (page: Page) => page.getByRole("slider").getAttribute("aria-valuetext");
const at = (page: Page) => page.getByRole("slider").getAttribute("aria-valuenow");

describeWith([BROWSER], "a history, on the page", () => {
  it("is drawn for the last hour, day and week, and says when its maximum is met", async () => {
    await using opened = await counted();
    const page = await visit(opened.door.port);
    await historyOf(page);
    const dialog = page.getByRole("dialog", { name: "History" });
    await dialog.getByText(/At the pace of the last day, its maximum of 1,000 is met at /).waitFor();
    expect(await words(page)).toMatch(/ to \d\d:\d\d: 174 \(.*not over yet\)$/);
    for (const range of ["hour", "week"]) {
      await page.getByRole("radio", { name: `Last ${range}` }).check();
      await page.getByRole("slider", { name: `Last ${range}, point by point` }).waitFor();
      await dialog.getByText(`At the pace of the last ${range}`).waitFor();
    }
    // Something is drawn, in both.
    const drawn = await page.evaluate<
      number[]
    >(`[...document.querySelectorAll("dialog canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((_, i) => i % 4 === 3 && data[i] === 255).length;
    })`);
    expect(drawn).toHaveLength(2);
    for (const points of drawn) expect(points).toBeGreaterThan(1_000);
  });

  it.each(["light", "dark"] as const)(
    "of a counter that was made a moment ago is a dot in all of the time that was asked for, in the %s page",
    async (colorScheme) => {
      await using opened = await open();
      opened.clock.advance(Date.now() - opened.clock.now());
      await opened.client.increment({ name: "visits" });
      const page = await visit(opened.door.port, { colorScheme });
      await page.evaluate(RECORD_TEXTS);
      await historyOf(page);
      for (const range of ["week", "hour", "day"]) {
        await page.evaluate("texts.clear()");
        await page.getByRole("radio", { name: `Last ${range}` }).check();
        await page.getByRole("slider", { name: `Last ${range}, point by point` }).waitFor();
        expect(await words(page)).toMatch(/: 1 \(1 added, not over yet\)$/);
        await expect.poll(() => page.evaluate<string[]>(TIMES_DRAWN)).not.toEqual([]);
        const times = await page.evaluate<string[]>(TIMES_DRAWN);
        expect(times.length).toBeGreaterThan(4);
        // Each says another time; but of a day, where one began a day ago, the last may be as the first.
        expect(new Set(times.slice(1)).size).toBe(times.length - 1);
        expect(await accented(page, colorScheme)).toBeGreaterThan(4); // A dot is higher than a line.
      }
    },
  );

  it("is gone through by keyboard, point by point, and gives the focus back", async () => {
    await using opened = await counted();
    const page = await visit(opened.door.port);
    const { keyboard } = page;
    await button(page, "visits", "history").focus();
    await keyboard.press("Enter");
    await page.getByRole("slider").waitFor();
    await keyboard.press("ArrowLeft"); // Of the choices, where the focus is.
    await page.getByRole("slider", { name: "Last hour, point by point" }).waitFor();
    await keyboard.press("Tab");
    const last = Number(await at(page));
    expect(last).toBeGreaterThanOrEqual(59);
    const seen: (string | null)[] = [];
    for (const key of [
      "ArrowLeft",
      "ArrowLeft",
      "ArrowRight",
      "PageDown",
      "PageUp",
      "Home",
      "ArrowLeft",
      "End",
    ]) {
      await keyboard.press(key);
      seen.push(await at(page));
    }
    const expected = [last - 1, last - 2, last - 1, last - 11, last - 1, 0, 0, last];
    expect(seen).toEqual(expected.map((index) => `${index}`));
    await keyboard.press("Home");
    const said = await words(page);
    expect(said).toMatch(/^(\d\d:\d\d:00|\d+ \w+ \d{4}, \d\d:\d\d) .* to \d\d:\d\d: \d+/); // Yesterday, soon after midnight.
    await page.locator("dialog .facts").getByText(said!).waitFor(); // For the eye too.
    await keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await expect.poll(() => page.evaluate("document.activeElement.ariaLabel")).toBe("History of visits");
  });

  it("is a table with every number of the plots", async () => {
    await using opened = await counted();
    const page = await visit(opened.door.port);
    await historyOf(page);
    await page.getByText("As a table").click();
    const rows = await page.locator("dialog tbody tr").all();
    expect(rows).toHaveLength(Number(await at(page)) + 1);
    const cells = await Promise.all(rows.map((row) => row.locator("td").allTextContents()));
    const sum = (column: number) => cells.reduce((total, row) => total + Number(row[column]), 0);
    expect([cells.at(-1)![0], sum(1), sum(2), sum(3)]).toEqual(["174", 180, 6, 0]);
  });

  it.each(["light", "dark"] as const)(
    "axe-core finds nothing in the %s dialog, and its colours are those",
    async (colorScheme) => {
      await using opened = await counted();
      const page = await visit(opened.door.port, { colorScheme });
      await historyOf(page);
      await page.getByText("As a table").click();
      expect(await violations(page)).toEqual([]);
      expect(await accented(page, colorScheme)).toBeGreaterThan(0); // The line is.
    },
  );

  it("fits on small screens", async () => {
    await using opened = await counted();
    const page = await visit(opened.door.port, { viewport: { width: 320, height: 640 } });
    await historyOf(page);
    await page.getByText("As a table").click();
    const overflowing = `[...document.querySelectorAll("dialog *")]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest("details > table")).map((e) => e.outerHTML.slice(0, 80))`;
    expect(await page.evaluate(overflowing)).toEqual([]);
  });

  it("is loaded when it is first asked for", async () => {
    await using opened = await counted();
    const page = await visit(opened.door.port);
    const scripts: string[] = [];
    page.on("request", (request) => scripts.push(request.url()));
    expect(
      (await send(opened.door.port, { path: "/", headers: { accept: "text/html" } })).text,
    ).not.toContain("history");
    await historyOf(page);
    expect(scripts.filter((url) => /history-dialog-[\w-]+\.js$/.test(url))).toHaveLength(1);
  });

  it("says so where the server keeps none, and where what draws it is not to be had", async () => {
    await using opened = await counted({
      store: (store) =>
        new Proxy(fronted(store, {}), {
          get: (of, key) => (key === "history" ? undefined : Reflect.get(of, key)),
        }),
    });
    const page = await visit(opened.door.port);
    await button(page, "visits", "history").click();
    await page.getByRole("dialog").getByText("HISTORY_OFF").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.route("**/history-dialog-*.js", (route) => route.abort());
    await page.reload();
    await button(page, "visits", "history").click();
    await page.getByText("This part of the page could not be loaded. Load the page anew.").waitFor();
  });
});
