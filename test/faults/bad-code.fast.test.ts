/** F11 and F12: code that ends in odd ways, modules that do not load, and tasks that only the next version knows. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { decodeHead } from '../../src/runtime/message.js';
import { poll } from '../support/poll.js';
import { fault } from './harness/scenario.js';

const GOOD = 50;

fault('F11', 'unhandled rejection, leftover timer that throws, throw null, unencodable results', {}, async (world) => {
  const consumer = await world.startConsumer({ workers: 2 });
  const { huey, rejectUnhandled, leaveTimer, throwNull, giveUnencodable } = await world.tasks();
  const failing = [
    { result: await rejectUnhandled(), error: /nobody handles this/ },
    { result: await throwNull(), error: /null/ },
    { result: await giveUnencodable('function'), error: /function/i },
    { result: await giveUnencodable('cycle'), error: /cycl|circular|itself/i },
    { result: await giveUnencodable('symbol'), error: /symbol/i },
  ];
  const left = await leaveTimer();
  world.enqueued.push(left.id, ...failing.map(({ result }) => result.id));
  await world.enqueue(GOOD);
  const states = await world.settled();
  for (const { result, error } of failing) {
    assert.equal(states.get(result.id), 'failed');
    await assert.rejects(huey.result(result.id, { blocking: true, timeout: 5 }), error);
  }
  // Nobody waits for what a timer throws when its task has ended; it is told all the same.
  await poll('the stray error in the log', () => consumer.output().includes('from a timer that was left behind'));
  const others = world.enqueued.filter((id) => !failing.some(({ result }) => result.id === id));
  for (const id of others) assert.equal(states.get(id), 'done');
  const after = await world.enqueue(GOOD);
  await world.settled(after);
  assert.deepEqual(
    world.journal.runs().filter(({ pid }) => pid !== consumer.pid),
    [],
    'the supervisor is the same process as at first',
  );
  await world.quiet();
  return world.report({ note: `${failing.length} failed with an error that can be read` });
});

fault('F12', 'the module fails to load; a task that this consumer does not know', {}, async (world) => {
  const broken = path.join(world.dir, 'broken.mjs');
  await writeFile(broken, "throw new Error('broken by the deploy');\n");
  const { huey } = await world.tasks();
  // Declared here alone: the deploy of the consumers comes later.
  const addedLater = huey.task({ name: 'addedLater' }, (): number => {
    throw new Error('only consumers run it');
  });
  const known = await world.enqueue(GOOD);
  const failed = await world.startConsumer({ module: broken, wait: false });
  assert.deepEqual(await failed.exited, { code: 1, signal: null });
  assert.match(failed.output(), /broken by the deploy/);

  const unknown = await Promise.all(Array.from({ length: 10 }, () => addedLater()));
  world.enqueued.push(...unknown.map(({ id }) => id));
  const old = await world.startConsumer({ workers: 2 });
  await world.settled(known);
  const attempts = await poll('the unknown ones to have been given back', async () => {
    const waiting = await (await world.storage()).list('scheduled', 100);
    return waiting.length === unknown.length && waiting.map(({ text }) => decodeHead(text));
  });
  for (const head of attempts) assert.deepEqual([head.attempts, head.lapses, head.deaths], [0, 0, 0], 'nothing was charged');
  await old.waitFor(/no task/);
  assert.equal(old.logged(/^no task "addedLater"/).length, 1, 'it is told once');

  const next = await world.startConsumer({ module: 'periodic-tasks', args: ['--no-periodic'], workers: 2 });
  await old.stop();
  const states = await world.settled();
  for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
  for (const { id } of unknown) {
    assert.equal(await huey.result(id, { blocking: true, timeout: 5 }), 1, 'it ran at its first attempt');
    assert.equal(world.journal.byId().get(id)?.[0]?.pid, next.pid);
  }
  await world.quiet();
  return world.report({ note: 'exit code 1 with the import error' });
});
