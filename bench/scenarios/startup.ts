/** From the command to the first task that runs. The task waits already. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { diesWithUs, ended } from '../../test/support/child.js';
import type { Bench, Stage } from '../bench.js';
import { SYSTEMS, WORKERS } from '../contestants.js';
import { consume } from '../drain.js';
import { CheckFailed } from '../queues/queue-view.js';
import type { Contestant, Scenario } from '../rounds.js';
import { median } from '../statistics.js';
import { nowMs } from '../shared-clock.js';

const STARTS = 10;
const QUICK_STARTS = 2;
const POLL_MS = 5;
const DEADLINE_MS = 30_000;
const COMMAND = fileURLToPath(new URL('../../bin/huey-runtime.js', import.meta.url));
const MODULE = fileURLToPath(new URL('../systems/huey-tasks.js', import.meta.url));

export function startup(bench: Bench): Scenario {
  const starts = bench.options.quick ? QUICK_STARTS : STARTS;
  return {
    name: 'startup',
    title: `from the command to the first task that runs, median of ${starts} in each round`,
    metrics: [{ name: 'time', unit: 'ms', better: 'lower' }],
    contestants: [
      starter(bench, 'huey-runtime', starts, (stage) => runCommand(bench, stage)),
      starter(bench, 'bullmq', starts, async (stage) => {
        await consume(stage.start(), SYSTEMS.bullmq, 1, false);
        return () => Promise.resolve();
      }),
    ],
  };
}

/** `begin` starts a consumer and gives what ends it, where that is not the stage's business. */
function starter(
  bench: Bench,
  name: 'huey-runtime' | 'bullmq',
  starts: number,
  begin: (stage: Stage) => Promise<() => Promise<void>>,
): Contestant {
  const once = (): Promise<number> =>
    bench.stage(SYSTEMS[name], async (stage) => {
      const producer = stage.start();
      await producer.call('fill', { task: 'stamp', n: 1 });
      await producer.stop();
      const beganAtMs = nowMs();
      const end = await begin(stage);
      try {
        return (await firstStamp(stage)) - beganAtMs;
      } finally {
        await end();
      }
    });
  return {
    name,
    label: SYSTEMS[name].label,
    run: async () => {
      const times: number[] = [];
      for (let i = 0; i < starts; i++) times.push(await once());
      return { time: median(times) };
    },
  };
}

async function runCommand(bench: Bench, { url }: Stage): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [COMMAND, '--module', MODULE, '--workers', String(WORKERS)], {
    env: bench.env(url),
    stdio: 'ignore',
  });
  diesWithUs(child);
  return Promise.resolve(async () => {
    child.kill('SIGKILL');
    await ended(child);
  });
}

/** The task's value: when it was started. */
async function firstStamp({ view }: Stage): Promise<number> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while ((await view.endedCount()) === 0) {
    if (performance.now() > deadlineMs) throw new CheckFailed(`no task ran within ${DEADLINE_MS / 1000} s`);
    await sleep(POLL_MS);
  }
  const [stamp] = (await view.values()) ?? [];
  if (stamp === undefined) throw new CheckFailed('the task left no value');
  return stamp;
}
