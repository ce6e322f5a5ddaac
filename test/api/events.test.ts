import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryHuey, type HueyEvent } from '../../src/api/index.js';
import { decodeEvent, encodeEvent, eventStatusesOf, taskEvent } from '../../src/api/event.js';
import { EventFeed, EventPublisher, STREAM_MAX, Stream } from '../../src/api/events.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { freshQueue } from './hand-consumer.js';

function event(status: HueyEvent['status'], id: string): HueyEvent {
  return { status, error: false, timestamp: 1, id };
}

async function take(events: AsyncIterable<HueyEvent>, count: number): Promise<HueyEvent[]> {
  const taken: HueyEvent[] = [];
  for await (const one of events) {
    taken.push(one);
    if (taken.length === count) break;
  }
  return taken;
}

describe('huey.events', () => {
  it('tells what a consumer does, in order, with the names and fields of 1.x', async () => {
    const huey = new MemoryHuey(freshQueue(), { immediate: true });
    const work = huey.task({ retries: 1, retryDelay: 5 }, function work() {
      throw new Error('no beans');
    });
    const stream = huey.events();
    await stream.listening;
    await work.withOptions({ id: 'x' })();
    const seen = await take(stream, 5);
    assert.deepEqual(
      seen.map(({ status, error }) => [status, error]),
      [
        ['started', false],
        ['error-task', true],
        ['retrying', false],
        ['started', false],
        ['error-task', true],
      ],
    );
    for (const one of seen) {
      assert.equal(one.id, 'x');
      assert.equal(one.task, 'work');
      assert.equal(one.retryDelay, 5);
      assert.ok(Math.abs(one.timestamp - Date.now() / 1000) < 60);
    }
    assert.deepEqual(
      seen.map(({ retries }) => retries),
      [1, 1, 1, 0, 0],
    );
    assert.match(seen[1]?.traceback ?? '', /no beans/);
    assert.ok((seen[1]?.duration ?? NaN) >= 0);
    assert.equal(seen[0]?.duration, undefined);
  });

  it('tells of what a producer puts into the schedule, and when it is due', async () => {
    for (const immediate of [false, true]) {
      const huey = new MemoryHuey(freshQueue(), { immediate });
      const work = huey.task(function work() {});
      const stream = huey.events();
      await stream.listening;
      const eta = new Date(Date.now() + 60_000);
      await work.withOptions({ id: 'there' }).schedule({ eta });
      await work.withOptions({ id: 'there' }).schedule({ eta });
      await work.schedule({ id: 'later', delay: 3600 });
      const [first, second] = await take(stream, 2);
      assert.deepEqual([first?.status, first?.id, first?.task, first?.executeTime], ['scheduled', 'there', 'work', eta.getTime() / 1000]);
      assert.deepEqual([second?.status, second?.id, second?.error], ['scheduled', 'later', false]);
      assert.ok((second?.executeTime ?? 0) > eta.getTime() / 1000);
    }
  });

  it('tells every listener of the queue, in any process', async () => {
    const queue = freshQueue();
    const [a, b] = [new MemoryHuey(queue).events(), new MemoryHuey(queue).events()];
    await Promise.all([a.listening, b.listening]);
    const consumer = MemoryStorage.shared(queue);
    assert.equal(await consumer.eventsWanted(), true);
    await consumer.publishEvents([encodeEvent(event('finished', '1'))]);
    for (const stream of [a, b]) assert.deepEqual(await take(stream, 1), [event('finished', '1')]);
    assert.equal(await consumer.eventsWanted(), false);
  });

  it('ends with the loop, with its signal, and with its Huey', async () => {
    const queue = freshQueue();
    const consumer = MemoryStorage.shared(queue);
    const huey = new MemoryHuey(queue);
    const controller = new AbortController();
    const aborted = huey.events({ signal: controller.signal });
    const closed = huey.events();
    await Promise.all([aborted.listening, closed.listening]);
    const waiting = aborted.next();
    controller.abort();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await aborted.next(), { done: true, value: undefined });
    assert.equal(await consumer.eventsWanted(), true);
    const last = closed.next();
    await huey.close();
    assert.equal((await last).done, true);
    assert.equal(await consumer.eventsWanted(), false);
  });

  it('is over from the start where its signal was aborted before', async () => {
    const stream = new MemoryHuey(freshQueue()).events({ signal: AbortSignal.abort() });
    assert.deepEqual(await take(stream, 1), []);
  });

  it('throws where it cannot listen', async () => {
    const huey = new MemoryHuey(freshQueue());
    await huey.close();
    const stream = huey.events();
    await assert.rejects(stream.listening, { code: 'closed' });
    await assert.rejects(stream.next(), { code: 'closed' });
    assert.equal((await stream.next()).done, true);
  });

  it('refuses unknown options', () => {
    assert.throws(() => new MemoryHuey(freshQueue()).events({ abort: 1 } as never), { code: 'unknown-option' });
  });
});

describe('a stream of events', () => {
  const open = (): { stream: Stream; feed: EventFeed } => {
    const feed = new EventFeed(new MemoryStorage(freshQueue()));
    return {
      feed,
      stream: new Stream(
        async () => feed,
        {},
        () => undefined,
      ),
    };
  };

  it('says where some may have been missed', async () => {
    const { stream, feed } = open();
    await stream.listening;
    feed.deliver([encodeEvent(event('finished', '1'))], true);
    assert.deepEqual(
      (await take(stream, 2)).map(({ status }) => status),
      ['gap', 'finished'],
    );
  });

  it('of a slow reader loses the oldest, and says so', async () => {
    const { stream, feed } = open();
    await stream.listening;
    const texts = Array.from({ length: STREAM_MAX + 10 }, (_, i) => encodeEvent(event('finished', String(i))));
    feed.deliver(texts, false);
    const seen = await take(stream, STREAM_MAX);
    assert.equal(seen[0]?.status, 'gap');
    assert.equal(seen[1]?.id, '11');
    assert.equal(seen.at(-1)?.id, String(STREAM_MAX + 9));
  });

  it('leaves out what is no event', async () => {
    const { stream, feed } = open();
    await stream.listening;
    feed.deliver(['{', '5', 'null', '{"status":5}', encodeEvent(event('locked', '1'))], false);
    assert.deepEqual(await take(stream, 1), [event('locked', '1')]);
  });
});

describe('a publisher of events', () => {
  it('makes and sends nothing while nobody listens, and what comes together goes together', async () => {
    const storage = new MemoryStorage(freshQueue());
    const batches: (readonly string[])[] = [];
    let asked = 0;
    let wanted = false;
    let now = 0;
    storage.publishEvents = async (events) => void batches.push(events);
    storage.eventsWanted = async () => {
      asked++;
      return wanted;
    };
    const publisher = new EventPublisher(storage, () => now);
    publisher.publish(() => assert.fail('nobody listens'));
    await publisher.idle();
    publisher.publish(() => assert.fail('nobody listens'));
    await publisher.idle();
    assert.equal(asked, 1);
    wanted = true;
    now += 1000;
    publisher.publish(() => event('started', '1'));
    publisher.publish(() => event('finished', '1'));
    await publisher.idle();
    assert.deepEqual(
      batches.map((batch) => batch.map((text) => decodeEvent(text)?.status)),
      [['started', 'finished']],
    );
  });

  it('disturbs nobody where the storage is away', async () => {
    const storage = new MemoryStorage(freshQueue());
    await storage.close();
    const publisher = new EventPublisher(storage);
    publisher.publish(() => event('started', '1'));
    await publisher.idle();
  });
});

describe('an event', () => {
  const head = { id: 'a', name: 'count', attempts: 0, retries: 2, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

  it('has the fields that are known, times in seconds', () => {
    assert.deepEqual(
      taskEvent('finished', { head, body: { args: [], at: 0, retryDelayMs: 1500 } }, 5000, {
        ran: { wallMs: 250, cpuMs: 200, waitMs: 1000 },
        dueAtMs: 7000,
      }),
      {
        status: 'finished',
        error: false,
        timestamp: 5,
        id: 'a',
        task: 'count',
        retries: 2,
        retryDelay: 1.5,
        executeTime: 7,
        duration: 0.25,
        cpu: 0.2,
        wait: 1,
        attempts: 1,
      },
    );
  });

  it('is named as in 1.x', () => {
    const error = { name: 'Error', message: 'no', code: 'error' };
    const requeue = { transition: { kind: 'requeue', id: 'a', text: '', delayMs: 0, at: 'tail' } } as const;
    const settle = { transition: { kind: 'settle', id: 'a', record: 'd', ttlSeconds: 1 } } as const;
    assert.deepEqual(eventStatusesOf({ kind: 'complete', record: 'd', ttlSeconds: 1 }, settle), ['finished']);
    assert.deepEqual(eventStatusesOf({ kind: 'error', error }, requeue), ['error-task', 'retrying']);
    const later = { transition: { ...requeue.transition, delayMs: 5 } };
    assert.deepEqual(eventStatusesOf({ kind: 'retry', delayMs: 5 }, later), ['retrying', 'scheduled']);
    assert.deepEqual(eventStatusesOf({ kind: 'unknown-task' }, later), []);
    assert.deepEqual(eventStatusesOf({ kind: 'locked', error }, requeue), ['locked', 'retrying']);
    assert.deepEqual(eventStatusesOf({ kind: 'revoked' }, settle), ['revoked']);
  });
});
