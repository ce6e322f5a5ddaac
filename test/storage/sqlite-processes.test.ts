/** One file, several processes: what is seen, what survives a kill, and who waits for whom. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { StorageUnavailable } from '../../src/runtime/errors.js';
import { SqliteStorage } from '../../src/runtime/storage/sqlite.js';
import { makeTempDir, removeDir } from '../support/temp-dir.js';
import { Consumer, done, idsOf, items, numbered, World } from './world.js';

const CHILD = fileURLToPath(new URL('./sqlite-child.js', import.meta.url));
const KILLS = 3;
/** A wait that ends by its time fails its test. */
const LONG_MS = 50_000;

let folder: string;
let filename: string;
let storage: SqliteStorage;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await makeTempDir();
  filename = path.join(folder, 'q.db');
  storage = new SqliteStorage('q', filename);
  await storage.open();
  children = [];
});

afterEach(async () => {
  for (const child of children) await kill(child);
  await storage.close();
  await removeDir(folder);
});

function start(mode: string): ChildProcess {
  const child = fork(CHILD, [mode, filename]);
  children.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Resolves when the child has told so much. */
async function hear<Message>(child: ChildProcess, count: number): Promise<Message[]> {
  const heard: Message[] = [];
  child.on('message', (message) => heard.push(message as Message));
  while (heard.length < count) await once(child, 'message');
  return heard;
}

function world(): World {
  return new World({ storage, another: async () => storage, pushRaw: (text) => storage.pushRaw(text), close: async () => undefined });
}

describe('sqlite storage, several processes', { timeout: 60_000 }, () => {
  it('has every task that a killed producer was told is stored', async () => {
    for (let n = 0; n < KILLS; n++) {
      const child = start('produce');
      const heard = await hear<string>(child, 100);
      await kill(child);
      const { duplicates } = await storage.enqueue(items(heard));
      assert.equal(duplicates.length, heard.length, 'each was there already');
    }
  });

  it('loses nothing of what a killed consumer had in its hands, and keeps what it had committed', async () => {
    const ids = numbered(2000);
    await storage.enqueue(items(ids));
    const child = start('consume');
    const heard = await hear<{ committed: number }>(child, 20);
    await kill(child);
    const committed = heard.reduce((sum, reply) => sum + reply.committed, 0);
    const ended = (await storage.readResults(ids)).filter((record) => record !== undefined).length;
    assert.ok(ended >= committed);

    const consumer = await world().consumer('survivor');
    const reaped = await world().until(async () => {
      await storage.beat('survivor', LONG_MS);
      const reply = await storage.reap(300);
      return reply.consumers.length > 0 && reply;
    });
    assert.deepEqual(reaped.consumers, ['doomed']);

    let finished = 0;
    for (let held: string[] = []; ;) {
      const reply = await consumer.step({ completions: held.map((id) => done(id)), chunks: 1, chunkSize: 500 });
      finished += reply.committed;
      held = idsOf(reply);
      if (held.length === 0) break;
    }
    assert.equal(ended + finished, ids.length, 'each ended once');
    assert.ok((await storage.readResults(ids)).every((record) => record?.state === 'done'));
    assert.deepEqual(await storage.counts(), { ready: 0, scheduled: 0, running: 0, dead: 0, consumers: 1 });
  });

  it('wakes who waits when another process enqueues', async () => {
    const consumer = await world().consumer();
    const waiting = storage.waitAndStep(consumer.call({ chunks: 1, chunkSize: 1 }), LONG_MS);
    start('enqueueOnce');
    assert.deepEqual(idsOf(await waiting), ['once']);
  });

  it('tells who watches when another process commits', async () => {
    const ids = numbered(50);
    await storage.enqueue(items(ids));
    const told = new Set<string>();
    const all = new Promise<void>((resolve) => {
      storage.listen({
        onEnded: (ended) => {
          for (const { id } of ended) told.add(id);
          if (told.size === ids.length) resolve();
        },
      });
    });
    await storage.watch(ids);
    start('consume');
    await all;
    storage.unwatch(ids);
  });

  it('goes on reading, and answering, while another process keeps the file locked; then writes', async () => {
    const child = start('lock');
    await hear(child, 1);
    let stored = false;
    const enqueued = storage.enqueue(items(['a'])).then(() => (stored = true));
    for (let n = 0; n < 5; n++) assert.equal((await storage.counts()).ready, 0);
    assert.equal(stored, false);
    child.send('end');
    await enqueued;
    assert.equal((await storage.counts()).ready, 1);
  });

  it('gives a write up in bounded time where the lock stays, and says that nothing was stored', async () => {
    const child = start('lock');
    await hear(child, 1);
    const begunAt = performance.now();
    await assert.rejects(storage.enqueue(items(['a'])), (error) => {
      assert.ok(error instanceof StorageUnavailable);
      assert.equal(error.outcomeUnknown, false);
      assert.match(error.message, /locked by another process/);
      return true;
    });
    assert.ok(performance.now() - begunAt < 30_000);
    child.send('end');
    await once(child, 'exit');
    assert.deepEqual(await storage.enqueue(items(['a'])), { duplicates: [], conflicts: [] });
  });

  it('lets a process end that has nothing more to do', async () => {
    const child = fork(CHILD, ['enqueueOnce', filename]);
    children.push(child);
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 0);
    assert.equal((await storage.counts()).ready, 1);
  });

  it('shares the file between storages of one process', async () => {
    const other = new SqliteStorage('q', filename);
    await other.register('c', LONG_MS);
    await storage.enqueue(items(['a']));
    const reply = await new Consumer(other, 'c').take();
    assert.deepEqual(idsOf(reply), ['a']);
    await other.close();
  });
});
