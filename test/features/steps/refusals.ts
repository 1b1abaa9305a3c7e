/** What a refusal says. */
import { expect } from "vitest";
import { step } from "../steps.ts";

step("it is refused with {reason}, reason {reason}", (world, status, reason, table) => {
  const { refusal } = world;
  expect([refusal.status, refusal.reason]).toEqual([status, reason]);
  expect(refusal.metadata).toMatchObject(Object.fromEntries(table));
});
