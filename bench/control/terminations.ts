/** Whether a consumer grows when thread after thread is ended: its threads, its ports, its memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { ChildSystem } from '../child-system.js';
import { CheckFailed, checkEnded } from '../queues/queue-view.js';
import type { Metric, Scenario } from '../rounds.js';
import type { ControlOptions } from './options.js';
import type { Holdings } from './protocol.js';
import { CONTROL_WORKERS, checkEndings, control, none, noteTarget } from './stage.js';

/** Part of them that comes first, for what a process takes once and keeps. */
const WARM_UP_SHARE = 0.1;
const PORTION = 1000;
const MIB = 2 ** 20;
const SETTLE_LOOK_MS = 200;
const SETTLE_LOOKS_MAX = 150;

export function terminations(bench: Bench, { terminations: count }: ControlOptions): Scenario {
  const warmUp = Math.max(2 * CONTROL_WORKERS, Math.round(count * WARM_UP_SHARE));
  const lower = (name: string, unit: string): Metric => ({ name, unit, better: 'lower' });
  return {
    name: 'terminations',
    title: `${count} threads ended in mid-loop, after ${warmUp} to warm up; what the consumer holds before and after`,
    metrics: [
      lower('threads before', 'threads'),
      lower('threads after', 'threads'),
      lower('ports before', 'handles'),
      lower('ports after', 'handles'),
      lower('RSS before', 'MiB'),
      lower('RSS after', 'MiB'),
      { name: 'rate', unit: 'terminations/s', better: 'higher' },
    ],
    contestants: [
      control(bench, async ({ consumer, producer, view, journal }) => {
        const end = async (n: number, name: string): Promise<number> => {
          const beganAtMs = performance.now();
          checkEndings(await producer.call('settle', { task: 'brief', count: n, journal: journal(name) }), 'timeout', n);
          return (performance.now() - beganAtMs) / 1000;
        };
        await end(warmUp, 'warm-up');
        const before = await whenSettled(consumer);
        let seconds = 0;
        // In portions, since a call that takes as long as ten thousand of them counts as lost.
        for (let left = count; left > 0; left -= PORTION) seconds += await end(Math.min(left, PORTION), `measured-${left}`);
        const after = await whenSettled(consumer);
        await checkEnded(view, warmUp + count);
        noteTarget(bench, 'threads that came to stay', after.threads - before.threads, 1);
        noteTarget(bench, 'ports that came to stay', after.ports - before.ports, 1);
        return {
          'threads before': before.threads,
          'threads after': after.threads,
          'ports before': before.ports,
          'ports after': after.ports,
          'RSS before': before.rssBytes / MIB,
          'RSS after': after.rssBytes / MIB,
          rate: count / seconds,
        };
      }),
      none('bullmq', 'it ends no thread that runs a job'),
    ],
  };
}

/** When the last threads that were ended have been replaced: then two looks see the same. */
async function whenSettled(consumer: ChildSystem): Promise<Holdings> {
  let last = await consumer.call('holdings', undefined);
  for (let looks = 0; looks < SETTLE_LOOKS_MAX; looks++) {
    await sleep(SETTLE_LOOK_MS);
    const now = await consumer.call('holdings', undefined);
    if (now.threads === last.threads && now.ports === last.ports) return now;
    last = now;
  }
  throw new CheckFailed(`the threads of an idle consumer still changed after ${(SETTLE_LOOKS_MAX * SETTLE_LOOK_MS) / 1000} s`);
}
