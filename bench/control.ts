/**
 * What `npm run bench:control` runs: what only a consumer of threads can do, stopping what does not stop. Exit code 0:
 * every run passed its check; 1: one did not; 2: wrong options.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../test/support/project-root.js';
import { Bench } from './bench.js';
import { CONTROL_SCENARIOS } from './control/all.js';
import { markdown } from './control/markdown.js';
import { HELP, parseControlOptions, type ControlOptions } from './control/options.js';
import { describeMachine, machineLines, ownVersion } from './machine.js';
import { UsageError } from './options.js';
import { requirePeers } from './peers.js';
import { ProgressLine } from './progress.js';
import { isClean, scenarioReport, scenarioText, type Report } from './report.js';
import { runRounds } from './rounds.js';

const NAMES = Object.keys(CONTROL_SCENARIOS);
/** Each scenario has its hundreds of samples within one run. */
const ROUNDS = 1;

try {
  const options = parseControlOptions(process.argv.slice(2), NAMES);
  if (options.help) console.log(HELP.replace('SCENARIOS', NAMES.join(', ')));
  else process.exitCode = (await runAll(options)) ? 0 : 1;
} catch (error) {
  console.error(error instanceof UsageError ? `bench:control: ${error.message}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function runAll(options: ControlOptions): Promise<boolean> {
  const { n, quick } = options;
  const peers = path.join(projectRoot(), 'bench/peers');
  const packages = { 'huey-runtime': ownVersion(), ...(options.peers ? requirePeers(peers) : {}) };
  const bench = await Bench.open({ n, quick, concurrency: undefined }, peers);
  const line = new ProgressLine();
  bench.progress = (text) => line.show(text);
  try {
    const report: Report = { machine: await describeMachine(bench.redis, packages), rounds: ROUNDS, n, quick, scenarios: [] };
    console.log([...machineLines(report.machine), quick ? '--quick: the figures say nothing' : `n = ${n}`].join('\n'));
    for (const [name, make] of Object.entries(CONTROL_SCENARIOS)) {
      if (options.only.length > 0 && !options.only.includes(name)) continue;
      const scenario = make(bench, options);
      const done = scenarioReport(scenario, await runRounds(scenario, ROUNDS, bench.progress), bench.takeNotes());
      report.scenarios.push(done);
      line.clear();
      console.log(scenarioText(done));
      // After each: what was measured shall not be lost to what comes.
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
      if (options.markdown !== undefined) writeFileSync(options.markdown, markdown(report));
    }
    return isClean(report);
  } finally {
    line.clear();
    await bench.close();
  }
}
