/** F1 and F26 once more, for tasks with a concurrencyKey: slots of the dead come back, and none is ever given twice. */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { KillLog } from './harness/kill-log.js';
import { fault } from './harness/scenario.js';
import { TASK_LEAST_MS, TASK_MOST_MS } from './harness/world.js';

const KILLS = 6;
const KEYS = ['one', 'two', 'three'] as const;
const TASKS = 900;

for (const [number, storage] of [
  ['F1', 'redis'],
  ['F26', 'sqlite'],
] as const) {
  fault(number, `SIGKILL a consumer, ${KILLS} times, ${KEYS.length} keys with a limit each`, { storage }, async (world) => {
    const kills = new KillLog(world);
    const { KEY_LIMIT } = await world.tasks();
    const turns = `${world.journal.file}.turns`;
    const consumers = [await world.startConsumer(), await world.startConsumer()];
    for (let i = 0; i < KILLS; i++) {
      await world.enqueue(TASKS / KILLS, (n, { keyed }) =>
        keyed.s(KEYS[n % KEYS.length] ?? '', turns, world.random.integer(TASK_LEAST_MS, TASK_MOST_MS)),
      );
      await sleep(world.random.integer(0, 300));
      const [victim] = consumers.splice(world.random.integer(0, 1), 1);
      assert.ok(victim);
      await kills.kill(victim);
      // What it ran runs no more, and its slots are nobody else's before its lease has ended.
      appendFileSync(turns, `x ${victim.pid}\n`);
      consumers.push(await world.startConsumer());
    }
    for (const [id, state] of await world.settled()) assert.equal(state, 'done', `task ${id} ended ${state}`);
    const { held, recoveryMs } = await kills.check();
    const most = mostAtOnce(readFileSync(turns, 'utf8').split('\n'));
    assert.deepEqual(
      Object.fromEntries(most),
      Object.fromEntries(KEYS.map((key) => [key, KEY_LIMIT])),
      'of each key as many as may, and no more',
    );
    await world.quiet();
    return world.report({ recoveryMs, note: `${held} held when killed; never more than ${KEY_LIMIT} of a key at once` });
  });
}

/** By key. Lines are whole and stand in the order in which it happened: `+ pid id key`, `- pid id key`, `x pid`. */
function mostAtOnce(lines: readonly string[]): Map<string, number> {
  const running = new Map<string, { pid: string; key: string }>();
  const most = new Map<string, number>();
  for (const line of lines) {
    const [what, pid = '', id = '', key = ''] = line.split(' ');
    if (what === 'x') for (const [run, of] of running) if (of.pid === pid) running.delete(run);
    if (what === '-') running.delete(`${id} ${pid}`);
    if (what !== '+') continue;
    running.set(`${id} ${pid}`, { pid, key });
    const now = [...running.values()].filter((of) => of.key === key).length;
    most.set(key, Math.max(most.get(key) ?? 0, now));
  }
  return most;
}
