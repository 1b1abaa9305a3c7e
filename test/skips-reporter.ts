import type { Reporter, TestModule } from "vitest/node";

/**
 * Says at the end, loudly, which tests this machine could not run and what they need: their suite's name tells. In
 * the gate a skip is a failure; elsewhere it must at least not go unnoticed.
 */
export default class SkipsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const suite = test.parent.type === "suite" ? test.parent.fullName : test.fullName;
        skipped.set(suite, (skipped.get(suite) ?? 0) + 1);
      }
    }
    for (const [suite, tests] of skipped) console.log(`  SKIPPED, ${tests} tests: ${suite}`);
  }
}
