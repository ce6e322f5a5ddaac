/** The options `concurrencyKey` and `concurrencyLimit`: which slot each call needs. What a slot does is the storages' (test/storage). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chord, crontab, MemoryHuey } from '../../src/api/index.js';
import { ConfigurationError } from '../../src/runtime/errors.js';
import { CONCURRENCY_KEY_MAX_CHARS } from '../../src/runtime/limits.js';
import { readHead, type Slot } from '../../src/runtime/message.js';
import { freshQueue, HandConsumer } from './hand-consumer.js';

function setUp() {
  const queue = freshQueue();
  const huey = new MemoryHuey(queue);
  const consumer = new HandConsumer(queue);
  const sync = huey.task(
    { concurrencyKey: (tenant) => (tenant === '' ? undefined : `tenant:${tenant}`), concurrencyLimit: 2 },
    async function sync(tenant: string, more?: unknown) {
      return [tenant, more];
    },
  );
  const slots = async (): Promise<(Slot | undefined)[]> => (await consumer.take()).map(({ head }) => head.slot);
  return { huey, consumer, sync, slots };
}

describe('a task with a concurrencyKey', () => {
  it('makes the key of the arguments of each call', async () => {
    const { sync, slots } = setUp();
    await sync('a');
    await sync.map(['b', '']);
    assert.deepEqual(await slots(), [{ key: 'tenant:a', limit: 2 }, { key: 'tenant:b', limit: 2 }, undefined]);
  });

  it('may have one key for all calls, and one run at once by default', async () => {
    const { huey, slots } = setUp();
    const report = huey.task({ concurrencyKey: 'reports' }, async function report(_n: number) {});
    await report(1);
    assert.deepEqual(await slots(), [{ key: 'reports', limit: 1 }]);
  });

  it('lets a call say otherwise', async () => {
    const { sync, slots } = setUp();
    await sync.withOptions({ concurrencyLimit: 5 })('a');
    await sync.withOptions({ concurrencyKey: 'other' })('a');
    await sync.withOptions({ concurrencyKey: (tenant: string) => `${tenant}!`, concurrencyLimit: 1 })('a');
    await sync.withOptions({ concurrencyKey: false })('a');
    assert.deepEqual(await slots(), [{ key: 'tenant:a', limit: 5 }, { key: 'other', limit: 2 }, { key: 'a!', limit: 1 }, undefined]);
  });

  it('writes any text as a key of its own', async () => {
    const { sync, slots } = setUp();
    const texts = ['a b', 'a%20b', 'a"\\', 'ä', '\ud800', '#', 'x'.repeat(300), 'x'.repeat(301), '1=k ', '\n'];
    for (const text of texts) await sync.withOptions({ concurrencyKey: text, concurrencyLimit: 1000 })('');
    const keys: string[] = [];
    for (let n = 0; n < texts.length; n++) keys.push(...(await slots()).map((slot) => slot?.key ?? ''));
    assert.equal(new Set(keys).size, texts.length);
    for (const key of keys) assert.ok(/^[!#-[\]-~]+$/.test(key) && key.length <= CONCURRENCY_KEY_MAX_CHARS, key);
  });

  it('has it in later stages, handlers of errors and callbacks of chords, of the arguments that are known', async () => {
    const { huey, sync, consumer } = setUp();
    const first = huey.task(async function first() {
      return 1;
    });
    await huey.enqueue(first.s().error(sync, 'handler').pipe(sync, 'stage'));
    const { body } = await consumer.takeOne();
    assert.deepEqual(readHead(body.next?.head ?? '', -2).slot, { key: 'tenant:stage', limit: 2 });
    assert.deepEqual(readHead(body.onError?.head ?? '', -2).slot, { key: 'tenant:handler', limit: 2 });
    await huey.enqueue(chord([], sync, 'callback'));
    assert.deepEqual((await consumer.takeOne()).head.slot, { key: 'tenant:callback', limit: 2 });
  });

  it('holds a call back until another one with its key has ended', async () => {
    const { sync, consumer } = setUp();
    const [one] = await sync.map(['a', 'a', 'a']);
    await sync('b');
    assert.equal((await consumer.take()).length, 3);
    await consumer.end(one?.id ?? '', 'done');
    assert.deepEqual((await consumer.takeOne()).body.args, ['a']);
  });

  it('goes with a periodic task as data', () => {
    const { huey } = setUp();
    huey.periodicTask(crontab({}), { name: 'tidy', concurrencyKey: 'tidying', concurrencyLimit: 3 }, () => undefined);
    assert.deepEqual(huey.registry.get('tidy')?.settings.slot, { key: 'tidying', limit: 3 });
    const made = (() => 'k') as never;
    assert.throws(() => huey.periodicTask(crontab({}), { name: 'x', concurrencyKey: made }, () => undefined), /must be a text/);
  });

  it('refuses what is no key or no limit', async () => {
    const { huey } = setUp();
    const fn = (_a: string): void => undefined;
    for (const concurrencyLimit of [0, 1.5, 1001]) {
      assert.throws(() => huey.task({ name: 'a', concurrencyKey: 'k', concurrencyLimit }, fn), /concurrencyLimit must be/);
    }
    assert.throws(() => huey.task({ name: 'a', concurrencyLimit: 1 }, fn), /give both/);
    for (const concurrencyKey of ['', 1 as never]) assert.throws(() => huey.task({ name: 'a', concurrencyKey }, fn), ConfigurationError);
    const bad = huey.task({ name: 'b', concurrencyKey: (a) => a }, fn);
    for (const key of ['', 5 as never]) await assert.rejects(bad(key), /a text that is not empty/);
  });

  it('is without effect in immediate mode', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const again = huey.task({ concurrencyKey: 'k' }, async function countDown(n: number): Promise<number> {
      return n === 0 ? 0 : (await (await again(n - 1)).get({ blocking: true })) + 1;
    });
    assert.equal(await (await again(3)).get({ blocking: true }), 3);
  });
});
