/** Whether this is the full run, `npm run test:faults`, rather than the short one that `npm test` includes. */
export const FULL = process.env.TALLY_TEST_FULL === "1";
