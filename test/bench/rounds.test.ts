import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runRounds, type Contestant, type Scenario } from '../../bench/rounds.js';
import { isClean, scenarioReport, scenarioText, type Report } from '../../bench/report.js';
import { barChart } from '../../bench/svg.js';

const order: string[] = [];
const machine = { cpu: 'a <fast> one', cores: 2, memoryGiB: 4, system: 'x', node: 'v20', server: 'redis', packages: {} };

function contestant(name: string, rates: (number | Error)[]): Contestant {
  return {
    name,
    label: name.toUpperCase(),
    async run() {
      order.push(name);
      const rate = rates.shift() ?? new Error('no more runs');
      if (rate instanceof Error) throw rate;
      return { rate };
    },
  };
}

function scenario(...contestants: Contestant[]): Scenario {
  return { name: 'race', title: 'who is first', metrics: [{ name: 'rate', unit: 'tasks/s', better: 'higher' }], contestants };
}

describe('rounds of the benchmarks', () => {
  it('run everything once before anything runs twice', async () => {
    order.length = 0;
    await runRounds(scenario(contestant('a', [1, 1]), contestant('b', [1, 1]), contestant('c', [1, 1])), 2);
    assert.deepEqual(order, ['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('compare the first with each other one', async () => {
    const [a, b] = await runRounds(scenario(contestant('a', [10, 30, 20]), contestant('b', [5, 10, 5])), 3);
    assert.equal(a?.spreads['rate']?.median, 20);
    assert.deepEqual(a?.ratios, {});
    assert.deepEqual(b?.ratios['rate'], { median: 3, min: 2, max: 4, count: 3 });
  });

  it('never make a figure of a run that failed its check', async () => {
    const done = await runRounds(scenario(contestant('a', [10, 30]), contestant('b', [new Error('7 results of 8'), 10])), 2);
    assert.deepEqual(done[1]?.runs['rate'], [undefined, 10]);
    assert.equal(done[1]?.ratios['rate']?.median, 3);
    const report = scenarioReport(scenario(), done, []);
    assert.match(scenarioText(report), /ERROR B, round 1: 7 results of 8/);
    assert.equal(isClean({ machine, rounds: 2, n: 1, quick: false, scenarios: [report] }), false);
  });

  it('say why somebody could not take part', async () => {
    order.length = 0;
    const done = await runRounds(scenario(contestant('a', [1]), { ...contestant('b', []), unavailable: 'not available yet' }), 1);
    assert.deepEqual(order, ['a']);
    assert.match(scenarioText(scenarioReport(scenario(), done, [])), /B +not available yet/);
  });

  it('become a chart in which everything is text or bar', async () => {
    const done = await runRounds(scenario(contestant('huey', [10, 12]), contestant('b', [5, 4])), 2);
    const report: Report = { machine, rounds: 2, n: 1, quick: false, scenarios: [scenarioReport(scenario(...[]), done, [])] };
    const metrics = scenario().metrics;
    const svg = barChart({ ...report, scenarios: report.scenarios.map((one) => ({ ...one, metrics })) });
    assert.equal(svg.match(/<rect /g)?.length, 2);
    assert.match(svg, /a &lt;fast&gt; one/);
  });
});
