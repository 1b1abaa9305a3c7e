/** What the server is, on its page. */
import { expect, it } from "vitest";
import type { ServerInfo } from "../../src/transports/calls/admin/server-info.ts";
import { violations } from "../support/axe.ts";
import { describeWith } from "../support/needs.ts";
import { SERVER_INFO } from "../support/server-info.ts";
import { open } from "../transports/door.ts";
import { BROWSER, useBrowser, visit } from "./browser.ts";

useBrowser();

const INFO: ServerInfo = {
  ...SERVER_INFO,
  startTimeMs: Date.UTC(2026, 0, 1, 12),
  auth: "off",
  state: {
    ...SERVER_INFO.state,
    size: { counters: 120_000, bytes: 52_428_800, roomBytes: 1_048_576 },
    warnings: ["History is 90 s behind; while the change log has room nothing of it is lost."],
  },
};

describeWith([BROWSER], "the server, on the page", () => {
  it("is told of in a dialog, what is wrong with it first, and kept up while that is open", async () => {
    let info = INFO;
    await using opened = await open({ serverInfo: async () => info });
    const page = await visit(opened.door.port, { timezoneId: "Europe/Berlin" });
    await page.getByRole("button", { name: "Server" }).click();
    const dialog = page.getByRole("dialog", { name: "Server" });
    const warned = dialog.getByRole("list", { name: "What is not as it should be" }).getByRole("listitem");
    await warned.first().waitFor();
    expect(await warned.allTextContents()).toEqual([...INFO.warnings, ...INFO.state.warnings]);
    const facts = dialog.locator("dl").first();
    expect(await facts.locator("dt").allTextContents()).toEqual([
      "Version",
      "Since",
      "Instance",
      "Store",
      "Keeps",
      "Size",
      "Counters",
      "Callers",
      "Last minute",
    ]);
    expect((await facts.locator("dd").allTextContents()).slice(5)).toEqual([
      "50 MiB, and 1 MiB are left on its disk",
      "about 120,000",
      "nobody is asked who they are",
      "812.5 calls a second, 2.3 of them refused; 810.3 operations in 96.5 commits",
    ]);
    expect(await dialog.getByRole("row").allTextContents()).toEqual([
      "ThreadBusyHeap",
      "main25 %40 MiB",
      "write12 %16 MiB",
    ]);
    await dialog.getByText("Limits in force").click();
    await dialog.getByText("queue-wait-max").waitFor();
    expect(await violations(page)).toEqual([]);
    info = { ...INFO, warnings: [], state: { ...INFO.state, warnings: [], size: undefined } };
    await dialog.getByText("unknown: the store does not answer").waitFor();
    expect(await warned.count()).toBe(0);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Server");
  });

  it("one that cannot be asked is said to be so", async () => {
    await using opened = await open({ serverInfo: () => Promise.reject(new Error("a defect")) });
    const page = await visit(opened.door.port);
    await page.getByRole("button", { name: "Server" }).click();
    await page.getByRole("dialog", { name: "Server" }).locator(".note").waitFor();
  });
});
