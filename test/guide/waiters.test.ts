/** 100,000 waiters over tasks that end in every final state: each gets its answer, none hangs. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnv, RUNNING, startCommand, userProject } from '../cli/command.js';
import { startNode } from '../support/child.js';
import { startRedis } from '../support/redis.js';

/** How many of each kind, and what those who wait for them get. */
const KINDS: Record<string, [count: number, answer: string]> = {
  value: [60_000, 'value'],
  nothing: [10_000, 'nothing'],
  fails: [8_000, 'TaskException error'],
  tooBig: [20, 'TaskException payload'],
  overTime: [4, 'TaskTimeout timeout'],
  locked: [1_000, 'TaskLocked locked'],
  limited: [500, 'RateLimitExceeded rate-limited'],
  cancels: [6_000, 'TaskCanceled canceled'],
  later: [2_000, 'TaskCanceled canceled'],
  revoked: [6_000, 'TaskRevoked revoked'],
  expired: [6_474, 'TaskExpired expired'],
  kills: [2, 'TaskDead dead'],
};
const WAITERS = Object.values(KINDS).reduce((sum, [count]) => sum + count, 0);

const TASKS = `
import { CancelExecution, createHuey, currentTask } from 'huey-runtime';
export const huey = createHuey('waiters');
export const value = huey.task(function value(n) { return n; });
export const nothing = huey.task(function nothing() {});
export const fails = huey.task(function fails() { throw new Error('as it should'); });
export const tooBig = huey.task(function tooBig() { return 'x'.repeat(2 * 1024 * 1024); });
export const overTime = huey.task({ timeout: 0.2 }, function overTime() {
  return new Promise((_, reject) => currentTask().signal.addEventListener('abort', () => reject(new Error('stopped'))));
});
export const locked = huey.task(huey.lockTask('held').wrap(function locked() {}));
export const limited = huey.task(huey.rateLimit('none', { limit: 1, per: 3600, retry: false }).wrap(function limited() {}));
export const cancels = huey.task(function cancels() { throw new CancelExecution({ retry: false }); });
export const later = huey.task(function later() {});
export const revoked = huey.task(function revoked() {});
export const expired = huey.task(function expired() {});
export const kills = huey.task(function kills() { process.exit(1); });
`;

const WAIT = `
import * as tasks from './tasks.js';
const { huey } = tasks;
const kinds = JSON.parse(process.argv[2]);

await tasks.revoked.revoke();
await huey.lockTask('held').acquire();
await huey.rateLimit('none', { limit: 1, per: 3600 }).acquire();

const answers = {};
const count = (kind, answer) => {
  answers[kind] ??= {};
  answers[kind][answer] = (answers[kind][answer] ?? 0) + 1;
};
const wait = async (kind, res) => {
  try {
    const got = await res.get({ blocking: true });
    count(kind, got === undefined ? 'nothing' : 'value');
  } catch (error) {
    count(kind, error.constructor.name + ' ' + error.code);
  }
};

const waits = [];
for (const [kind, [many]] of Object.entries(kinds)) {
  if (kind === 'later') {
    // The second stage of a pipeline whose first one fails.
    for (let i = 0; i < many; i += 1) {
      const [, second] = await huey.enqueue(tasks.fails.s().pipe(tasks.later));
      waits.push(wait(kind, second));
    }
    continue;
  }
  const task = kind === 'expired' ? tasks.expired.withOptions({ expires: 0.001 }) : tasks[kind];
  const results = await huey.enqueueMany(Array.from({ length: many }, (_, i) => task.s(i)));
  for (const res of results) waits.push(wait(kind, res));
}
console.log('waiting ' + waits.length);
await Promise.all(waits);
console.log('answers ' + JSON.stringify(answers));
await huey.close();
`;

describe('100,000 waiters', () => {
  it('over tasks that end in every final state get their answers', { timeout: 180_000 }, async (t) => {
    assert.equal(WAITERS, 100_000);
    const server = await startRedis();
    t.after(() => server.stop());
    const env = { HUEY_URL: server.url };
    const cwd = await userProject(t, { 'tasks.js': TASKS, 'wait.js': WAIT });
    const producer = startNode([path.join(cwd, 'wait.js'), JSON.stringify(KINDS)], { cwd, env: cleanEnv(env) });
    t.after(async () => {
      await producer.stop();
    });
    await producer.waitFor(/waiting 100000/);
    const startedAt = performance.now();
    const consumer = startCommand(t, ['tasks.js', '-w', '2'], { cwd, env });
    await consumer.waitFor(RUNNING);
    const [, json = ''] = await producer.waitFor(/answers (.*)\n/);
    t.diagnostic(`answered within ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    const expected = Object.fromEntries(Object.entries(KINDS).map(([kind, [count, answer]]) => [kind, { [answer]: count }]));
    assert.deepEqual(JSON.parse(json), expected);
    assert.deepEqual(await producer.exited, { code: 0, signal: null });
  });
});
