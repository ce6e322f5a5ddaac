/** The supervisor's storage through the port of a thread. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { StorageDoor } from '../../src/actors/storage-door.js';
import { PortStorage } from '../../src/actors/storage-port.js';
import { ConfigurationError } from '../../src/runtime/errors.js';
import { decodeHead, runOf } from '../../src/runtime/message.js';
import { MemoryStorage } from '../../src/runtime/storage/memory.js';
import { items, message, World } from './world.js';

let storage: MemoryStorage;
let door: StorageDoor;
let threads: PortStorage[];
let world: World;

beforeEach(() => {
  storage = new MemoryStorage('q');
  door = new StorageDoor(storage, () => 'mine');
  threads = [];
  storage.listen({ onEnded: (ended) => door.ended(ended), onEvents: (events, gap) => door.events(events, gap) });
  const noRoom = async (): Promise<void> => undefined;
  world = new World({ storage, another: async () => storage.another(), pushRaw: noRoom, close: noRoom });
});

afterEach(async () => {
  for (const thread of threads) thread.close();
  await storage.close();
});

function thread(): PortStorage {
  const { port1, port2 } = new MessageChannel();
  door.open(port1);
  const opened = new PortStorage(port2);
  threads.push(opened);
  return opened;
}

describe('a storage behind a port', () => {
  it('has every verb of a producer, with its errors', async () => {
    const port = thread();
    const chord = { id: 'ch', size: 2, callback: message('callback') };
    assert.deepEqual(await port.enqueue(items(['a', 'a']), [chord]), { duplicates: [1], conflicts: [] });
    assert.deepEqual(await port.readChord('ch'), [undefined, undefined]);
    assert.equal((await port.list('ready', 9)).length, 1);
    assert.equal((await port.rateLimit('r', 1, 1000, true)).allowed, true);
    assert.equal(await port.putKey('k', '1', true), true);
    assert.equal(await port.getKey('k', true), '1');
    await port.setNote('a', 'progress', '0.5', 10);
    assert.equal(await port.readNote('a', 'progress'), '0.5');
    assert.equal(await port.resultCount(), 0);
    assert.equal(await port.retryDead('a'), false);
    await assert.rejects(port.isLocked(''), ConfigurationError);
    await port.flush();
    assert.equal((await port.counts()).ready, 0);
  });

  it('takes locks for what its own consumer runs, whatever name it gives', async () => {
    await storage.enqueue(items(['a', 'b']));
    const mine = await world.consumer('mine');
    const other = await world.consumer('other');
    const [own = ''] = await mine.takeTexts(1);
    const [foreign = ''] = await other.takeTexts(1);
    const run = (text: string): { consumer: string; id: string; run: string } => {
      const head = decodeHead(text);
      return { consumer: 'other', id: head.id, run: runOf(head) };
    };
    const port = thread();
    assert.equal(await port.acquireLock('l', { token: 't', run: run(foreign) }), false);
    assert.equal(await port.acquireLock('l', { token: 't', run: run(own) }), true);
    assert.equal(await storage.isLocked('l'), true);
    await mine.finish(decodeHead(own).id);
    assert.equal(await port.isLocked('l'), false);
    assert.equal(await port.acquireLock('l', { token: 't', leaseMs: 60_000 }), true);
  });

  it('tells events to the threads that listen, and listens itself as long as one does', async () => {
    const [first, second] = [thread(), thread()];
    const heard: [string, readonly string[], boolean][] = [];
    first.listen({ onEvents: (events, gap) => heard.push(['first', events, gap]) });
    second.listen({ onEvents: (events, gap) => heard.push(['second', events, gap]) });
    assert.equal(await first.eventsWanted(), false);
    await first.listenToEvents(true);
    await first.publishEvents(['a']);
    await world.until(async () => heard.length === 1);
    await second.listenToEvents(true);
    await first.listenToEvents(false);
    assert.equal(await storage.eventsWanted(), true);
    await first.publishEvents(['b']);
    await world.until(async () => heard.length === 2);
    assert.deepEqual(heard, [
      ['first', ['a'], false],
      ['second', ['b'], false],
    ]);
    second.close();
    await world.until(async () => !(await storage.eventsWanted()));
  });
});
