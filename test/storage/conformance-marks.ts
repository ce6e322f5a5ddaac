/** Marks that keep tasks from starting. */
import assert from 'node:assert/strict';
import { HueyException } from '../../src/runtime/errors.js';
import { DAY_MS } from '../../src/runtime/limits.js';
import type { Checks } from './conformance.js';
import { idsOf, message, type World } from './world.js';

const ALWAYS = { once: false, untilMs: 0 };
const ONCE = { once: true, untilMs: 0 };

export function describeMarks({ check, checkLong }: Checks): void {
  check('skips one invocation by its id, and the mark is used up', async (world) => {
    await world.storage.revoke({ id: 'a' }, ONCE);
    await world.enqueue(message('a'), message('b'));
    assert.deepEqual(await runnable(world), ['b']);
    assert.deepEqual(await world.record('a'), ['revoked', '']);
    assert.equal(await world.storage.readMark({ id: 'a' }), undefined);
    assert.equal(await world.storage.restore({ id: 'a' }), false);
  });

  check('does not start in one call what an end in it has revoked', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    await consumer.take();
    const effects = { enqueue: [{ text: message('b'), replaces: 'a' }] };
    const again = { kind: 'requeue', id: 'a', text: message('a'), delayMs: 0, at: 'tail', effects } as const;
    const reply = await consumer.step({ transitions: [again], chunks: 1, chunkSize: 9 });
    assert.deepEqual(idsOf(reply), ['b']);
    assert.deepEqual(
      reply.dropped.map(({ id, state }) => [id, state]),
      [['a', 'revoked']],
    );
  });

  check('tells the consumer what it skipped', async (world) => {
    await world.enqueue(message('a', { name: 'mail.send' }));
    await world.storage.revoke({ id: 'a' }, ONCE);
    const consumer = await world.consumer();
    const { dropped } = await consumer.take();
    assert.deepEqual(dropped, [{ id: 'a', name: 'mail.send', state: 'revoked' }]);
    assert.equal(await world.held(), 0);
  });

  check('skips every invocation of a task until it is restored', async (world) => {
    await world.storage.revoke({ task: 'job' }, ALWAYS);
    await world.enqueue(message('a'), message('b', { priority: 2 }), message('other', { name: 'jobs' }));
    assert.deepEqual(await runnable(world), ['other']);
    assert.deepEqual(await world.storage.readMark({ task: 'job' }), ALWAYS);
    assert.equal(await world.storage.restore({ task: 'job' }), true);
    assert.equal(await world.storage.restore({ task: 'job' }), false);
    await world.enqueue(message('c'));
    assert.deepEqual(await runnable(world), ['c']);
    assert.deepEqual(await world.storage.readResults(['a', 'b']), [
      { state: 'revoked', payload: '' },
      { state: 'revoked', payload: '' },
    ]);
  });

  check('skips one invocation of a task, once', async (world) => {
    await world.storage.revoke({ task: 'job' }, ONCE);
    await world.enqueue(message('a'), message('b'));
    assert.deepEqual(await runnable(world), ['b']);
    assert.equal(await world.storage.readMark({ task: 'job' }), undefined);
  });

  check('looks at the mark of the invocation first', async (world) => {
    await world.storage.revoke({ id: 'a' }, ONCE);
    await world.storage.revoke({ task: 'job' }, ONCE);
    await world.enqueue(message('a'), message('b'), message('c'));
    assert.deepEqual(await runnable(world), ['c']);
    assert.deepEqual(await world.record('b'), ['revoked', '']);
  });

  check('skips until an instant of its own clock', async (world) => {
    const untilMs = (await world.now()) + 300;
    await world.storage.revoke({ task: 'job' }, { once: false, untilMs });
    assert.deepEqual(await world.storage.readMark({ task: 'job' }), { once: false, untilMs });
    await world.enqueue(message('a'));
    assert.deepEqual(await runnable(world), []);
    await world.until(async () => (await world.now()) >= untilMs);
    assert.equal(await world.storage.readMark({ task: 'job' }), undefined);
    assert.equal(await world.storage.restore({ task: 'job' }), false);
    await world.enqueue(message('b'));
    assert.deepEqual(await runnable(world), ['b']);
  });

  check('takes the newest of two marks, from any process', async (world) => {
    const other = await world.fixture.another();
    await world.storage.revoke({ task: 'job' }, ALWAYS);
    await other.revoke({ task: 'job' }, ONCE);
    assert.deepEqual(await world.storage.readMark({ task: 'job' }), ONCE);
    assert.equal(await world.storage.readMark({ id: 'job' }), undefined);
  });

  check('only looks at what is about to start: what runs goes on', async (world) => {
    await world.enqueue(message('a'));
    const consumer = await world.consumer();
    assert.deepEqual(await consumer.takeIds(), ['a']);
    await world.storage.revoke({ id: 'a' }, ALWAYS);
    assert.equal((await consumer.finish('a')).committed, 1);
    assert.deepEqual(await world.record('a'), ['done', '1']);
  });

  check('skips a suspect, too', async (world) => {
    await world.storage.revoke({ id: 'a' }, ONCE);
    await world.enqueue(message('a', { lapses: 2 }));
    const consumer = await world.consumer();
    const reply = await consumer.step({ chunks: 1, chunkSize: 1, solo: true });
    assert.equal(reply.solo, undefined);
    assert.deepEqual(reply.dropped, [{ id: 'a', name: 'job', state: 'revoked' }]);
  });

  checkLong('forgets a mark on an id after 30 days, and one on a task never', async (world) => {
    await world.storage.revoke({ id: 'a' }, ALWAYS);
    await world.storage.revoke({ task: 'job' }, ALWAYS);
    await world.pass(30 * DAY_MS - 1);
    assert.ok((await world.storage.readMark({ id: 'a' })) !== undefined);
    await world.pass(1);
    assert.equal(await world.storage.readMark({ id: 'a' }), undefined);
    assert.ok((await world.storage.readMark({ task: 'job' })) !== undefined);
  });

  checkLong('keeps the mark of what is scheduled until 30 days after its due date', async (world) => {
    const dueAt = (await world.now()) + 90 * DAY_MS;
    await world.storage.enqueue([{ text: message('a'), etaMs: dueAt }]);
    await world.storage.revoke({ id: 'a' }, ALWAYS);
    await world.pass(120 * DAY_MS - 1);
    assert.ok((await world.storage.readMark({ id: 'a' })) !== undefined);
    assert.equal((await world.storage.promote(9)).promoted, 1);
    assert.deepEqual(await runnable(world), []);
    assert.equal(await world.storage.readMark({ id: 'a' }), undefined);
  });

  check('refuses a mark until no instant, and on what is no id', async (world) => {
    await assert.rejects(world.storage.revoke({ task: 'job' }, { once: false, untilMs: NaN }), HueyException);
    await assert.rejects(world.storage.revoke({ id: 'a b' }, ALWAYS), HueyException);
    await assert.rejects(world.storage.revoke({ task: 'a"b' }, ALWAYS), HueyException);
    assert.equal(await world.storage.readMark({ task: 'job' }), undefined);
  });
}

/** What a consumer gets to run now. */
async function runnable(world: World): Promise<string[]> {
  const consumer = await world.consumer(`c${Math.random()}`);
  const ids = idsOf(await consumer.take());
  await consumer.finish(...ids);
  await world.storage.unregister(consumer.id);
  return ids;
}
