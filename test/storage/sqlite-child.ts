/** A process beside the test: does one thing with a file until it is killed, and tells the test what it did. */
import { openDatabase } from '../../src/runtime/storage/sqlite-driver.js';
import { SqliteStorage } from '../../src/runtime/storage/sqlite.js';
import { Consumer, done, idsOf, items } from './world.js';

const [mode = '', filename = ''] = process.argv.slice(2);
const tell = (message: unknown): void => void process.send?.(message);

/** Enqueues one task after the other; tells each id that was acknowledged. */
async function produce(): Promise<void> {
  const storage = new SqliteStorage('q', filename);
  for (let n = 0; ; n++) {
    await storage.enqueue(items([`p${n}`]));
    tell(`p${n}`);
  }
}

/** Takes tasks and commits the ones before; tells what it took. */
async function consume(): Promise<void> {
  const storage = new SqliteStorage('q', filename);
  await storage.register('doomed', 300);
  const consumer = new Consumer(storage, 'doomed');
  for (let held: string[] = []; ;) {
    const reply = await consumer.step({ completions: held.map((id) => done(id)), chunks: 2, chunkSize: 5 });
    held = idsOf(reply);
    tell({ held, committed: reply.committed });
    await storage.beat('doomed', 300);
  }
}

/** Keeps the file locked for writing until it is told to end. */
async function lock(): Promise<void> {
  const database = await openDatabase(filename);
  database.exec('BEGIN IMMEDIATE');
  process.once('message', () => {
    database.exec('COMMIT');
    database.close();
    process.disconnect();
  });
  tell('locked');
}

/** Enqueues one task, and has nothing more to do. */
async function enqueueOnce(): Promise<void> {
  await new SqliteStorage('q', filename).enqueue(items(['once']));
}

const modes: Record<string, () => Promise<void>> = { produce, consume, lock, enqueueOnce };
await modes[mode]?.();
