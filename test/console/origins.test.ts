/** Pages of this server and of others, over every protocol and format that browsers speak. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { describeWith } from "../support/needs.ts";
import { type Opened, open } from "../transports/door.ts";
import { BROWSER, button, newTab, OTHER_NAME, row, shows, useBrowser } from "./browser.ts";
import { filesOfOtherSite, openOtherSite } from "./other-site.ts";

useBrowser();

const WAYS = ["connect", "grpc-web"].flatMap((protocol) =>
  ["json", "binary"].map((format) => ({ protocol, format })),
);

const TYPES: Readonly<Record<string, string>> = {
  "connect json": "application/json",
  "connect binary": "application/proto",
  "grpc-web json": "application/grpc-web+json",
  "grpc-web binary": "application/grpc-web+proto",
};

describeWith([BROWSER], "a page that calls", () => {
  describe.each(WAYS)("over $protocol in $format", ({ protocol, format }) => {
    const type = TYPES[`${protocol} ${format}`]!;
    const query = (server: string) => `?${new URLSearchParams({ server, protocol, format })}`;

    it("may, from this server", async () => {
      await using opened = await open();
      const server = `http://127.0.0.1:${opened.door.port}`;
      const page = await newTab();
      const files = await filesOfOtherSite();
      await page.route(
        (url) => url.pathname.startsWith("/page/"),
        (route) => {
          const { type: contentType, body } = files.get(new URL(route.request().url()).pathname.slice(5))!;
          return route.fulfill({ contentType, body });
        },
      );
      const types = typesOf(page);
      await page.goto(`${server}/page/${query(server)}`);
      await everyFlow(page, opened);
      expect(types).toEqual(new Set([type]));
    });

    it("may, from an origin that is allowed", async () => {
      const origin = await openOtherSite();
      await using opened = await open({ allowOrigins: [origin] });
      const server = `http://127.0.0.1:${opened.door.port}`;
      const page = await newTab();
      const types = typesOf(page);
      await page.goto(`${origin}/${query(server)}`);
      await everyFlow(page, opened);
      expect(types).toEqual(new Set([type]));
    });

    it("may nothing, from an origin that is not allowed", async () => {
      const origin = await openOtherSite();
      await using opened = await open({ allowOrigins: ["http://127.0.0.1:1"] });
      await opened.client.increment({ name: "visits" });
      const page = await newTab();
      await page.goto(`${origin}/${query(`http://127.0.0.1:${opened.door.port}`)}`);
      await page.getByText("The server does not answer.").waitFor();
      for (const call of ['increment({ name: "visits" })', 'getCounter({ name: "visits" })']) {
        await expect(page.evaluate(`tally.${call}`)).rejects.toThrow(/Failed to fetch/);
      }
      expect((await opened.client.getCounter({ name: "visits" })).counter).toMatchObject({
        value: 1n,
        revision: 1n,
      });
    });
  });

  it("is not given out on this machine by a name that could be anybody's", async () => {
    await using opened = await open();
    const page = await newTab({}, /403/);
    const response = await page.goto(`http://${OTHER_NAME}:${opened.door.port}/`);
    expect([response?.status(), await response?.text()]).toEqual([
      403,
      expect.stringContaining("HOST_NOT_ALLOWED"),
    ]);
  });

  it("may everything by a name of host-names", async () => {
    await using opened = await open({ hostNames: [OTHER_NAME] });
    const page = await newTab();
    await page.goto(`http://${OTHER_NAME}:${opened.door.port}/`);
    await everyFlow(page, opened);
  });

  it("may nothing where names are not looked at, by one that could be anybody's, and says how it may", async () => {
    await using opened = await open({ hostNames: undefined });
    const page = await newTab();
    await page.goto(`http://${OTHER_NAME}:${opened.door.port}/`);
    await page.getByText("ORIGIN_NOT_ALLOWED").waitFor();
    expect(await page.locator(".link").textContent()).toBe("Not allowed");
  });

  it("is not put into a frame of another site", async () => {
    const origin = await openOtherSite();
    await using opened = await open();
    const page = await newTab({}, /frame-ancestors/);
    await page.goto(`${origin}/`);
    const framed = await page.evaluate<boolean>(`new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.onload = () => resolve(frame.contentDocument === null && frame.contentWindow.length === 0);
      frame.src = "http://127.0.0.1:${opened.door.port}/";
      document.body.append(frame);
    })`);
    expect(framed).toBe(true);
    expect(page.frames().map((frame) => frame.url())).toContain("chrome-error://chromewebdata/");
  });

  it("is the one that this server gives out, under its policy", async () => {
    await using opened = await open();
    const page = await newTab({}, /evil|TrustedScriptURL/);
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    const script = `new Promise((resolve) => {
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective));
      const script = document.createElement("script");
      script.src = "http://127.0.0.1:1/evil.js";
      document.head.append(script);
    })`;
    expect(await page.evaluate<string>(script).catch((error) => `${error}`)).toMatch(
      /script-src|TrustedScriptURL/,
    );
  });
});

/** The content types of the calls that a page makes. */
function typesOf(page: Page): Set<string> {
  const types = new Set<string>();
  page.on("request", (request) => {
    if (request.method() === "POST") types.add(request.headers()["content-type"]!);
  });
  return types;
}

/** Make, count, be refused, set, edit, reset, delete. */
async function everyFlow(page: Page, { client }: Opened): Promise<void> {
  await page.getByRole("button", { name: "New counter" }).click();
  await page.getByLabel("Name").fill("seats");
  await page.getByLabel("Starts at").fill("9,007,199,254,740,992");
  await page.getByLabel("Maximum").fill("9,007,199,254,740,993");
  await page.getByRole("button", { name: "Create" }).click();
  await button(page, "seats", "increment").click();
  await shows(page, "seats", "9,007,199,254,740,993");
  await button(page, "seats", "decrement").click();
  await shows(page, "seats", "9,007,199,254,740,992");
  await page.getByLabel("Step").fill("2");
  await button(page, "seats", "increment").click();
  await row(page, "seats").getByText("ABOVE_MAX").waitFor();
  expect(await row(page, "seats").getByRole("alert").textContent()).toContain(
    "9007199254740992 + 2 is above the maximum 9007199254740993",
  );
  await page.getByLabel("Step").fill("1");
  await button(page, "seats", "set").click();
  await page.getByLabel("New value").fill("-3");
  await page.getByRole("dialog").getByRole("button", { name: "Set" }).click();
  await shows(page, "seats", "-3");
  await button(page, "seats", "decrement").click();
  await shows(page, "seats", "-4");
  expect((await client.getCounter({ name: "seats" })).counter).toMatchObject({ value: -4n, revision: 5n });
  await button(page, "seats", "edit").click();
  await page.getByLabel("Resets to").fill("7");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await button(page, "seats", "reset").click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset" }).click();
  await shows(page, "seats", "7");
  await button(page, "seats", "delete").click();
  await page.getByLabel("Type its name").fill("seats");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await row(page, "seats").waitFor({ state: "detached" });
}
