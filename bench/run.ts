/** What `npm run bench` runs. Exit code 0: every run passed its check; 1: one did not; 2: wrong options. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../test/support/project-root.js';
import { Bench } from './bench.js';
import { SYSTEMS } from './contestants.js';
import { BestConcurrency } from './drain.js';
import { describeMachine, ownVersion } from './machine.js';
import { HELP, parseOptions, UsageError, type BenchOptions } from './options.js';
import { requirePeers } from './peers.js';
import { ProgressLine } from './progress.js';
import { headerText, isClean, scenarioReport, scenarioText, type Report } from './report.js';
import { runRounds, type Scenario } from './rounds.js';
import { SCENARIOS } from './scenarios/all.js';
import { barChart } from './svg.js';

try {
  const options = parseOptions(process.argv.slice(2), Object.keys(SCENARIOS));
  if (options.help) console.log(HELP);
  else if (options.list) console.log(Object.keys(SCENARIOS).join('\n'));
  else process.exitCode = (await runAll(options)) ? 0 : 1;
} catch (error) {
  console.error(error instanceof UsageError ? `bench: ${error.message}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function runAll(options: BenchOptions): Promise<boolean> {
  const peers = path.join(projectRoot(), 'bench/peers');
  const isWanted = (name: string): boolean => options.systems.length === 0 || options.systems.includes(name);
  const needsPeers = Object.values(SYSTEMS).some(({ name, isPeer }) => isPeer && isWanted(name));
  const packages = { 'huey-runtime': ownVersion(), ...(needsPeers ? requirePeers(peers) : {}) };
  const bench = await Bench.open(options, peers);
  const line = new ProgressLine();
  bench.progress = (text) => line.show(text);
  try {
    const { rounds, n, quick } = options;
    const report: Report = { machine: await describeMachine(bench.redis, packages), rounds, n, quick, scenarios: [] };
    console.log(headerText(report));
    const best = new BestConcurrency(bench);
    for (const [name, make] of Object.entries(SCENARIOS)) {
      if (options.only.length > 0 && !options.only.includes(name)) continue;
      const scenario = withOnly(make(bench, best), isWanted);
      if (scenario.contestants.length === 0) continue;
      const done = scenarioReport(scenario, await runRounds(scenario, rounds, bench.progress), bench.takeNotes());
      report.scenarios.push(done);
      line.clear();
      console.log(scenarioText(done));
      // After each: what was measured shall not be lost to what comes.
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
      if (options.svg !== undefined) writeFileSync(options.svg, barChart(report));
    }
    return isClean(report);
  } finally {
    line.clear();
    await bench.close();
  }
}

function withOnly(scenario: Scenario, isWanted: (name: string) => boolean): Scenario {
  return { ...scenario, contestants: scenario.contestants.filter(({ name }) => isWanted(name)) };
}
