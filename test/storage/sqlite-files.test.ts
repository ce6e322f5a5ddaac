/** Files that cannot be used get one clear line, and are left as they are. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ConfigurationError, StorageRefused, StorageUnavailable } from '../../src/runtime/errors.js';
import { openDatabase } from '../../src/runtime/storage/sqlite-driver.js';
import { SqliteEngine } from '../../src/runtime/storage/sqlite-engine.js';
import { explain } from '../../src/runtime/storage/sqlite-explain.js';
import { SqliteStorage } from '../../src/runtime/storage/sqlite.js';
import { makeTempDir, removeDir } from '../support/temp-dir.js';
import { items } from './world.js';

const NOBODY = 65534;
const ADDED_SINCE_1 = ['uniques', 'chords', 'chord_values', 'locks', 'rates', 'keys', 'notes', 'events', 'listeners'];

let folder: string;
let filename: string;

beforeEach(async () => {
  folder = await makeTempDir();
  filename = path.join(folder, 'q.db');
});

afterEach(() => removeDir(folder));

async function refusal(file = filename, queue = 'q'): Promise<string> {
  const storage = new SqliteStorage(queue, file);
  const error: unknown = await storage.open().catch((reason: unknown) => reason);
  await storage.close();
  assert.ok(error instanceof StorageRefused, String(error));
  assert.ok(!error.message.includes('\n'), 'one line');
  assert.ok(error.message.includes(file), 'names the file');
  return error.message;
}

async function makeQueue(file = filename): Promise<void> {
  const storage = new SqliteStorage('q', file);
  await storage.enqueue(items(['a', 'b']));
  await storage.close();
}

describe('sqlite storage, files', () => {
  it('makes the folders that are missing', async () => {
    await makeQueue(path.join(folder, 'some', 'where', 'q.db'));
    assert.ok((await readFile(path.join(folder, 'some', 'where', 'q.db'))).length > 0);
  });

  it('refuses a file that is no database, and leaves it alone', async () => {
    const bytes = 'this is a letter and not a database. '.repeat(100);
    await writeFile(filename, bytes);
    assert.match(await refusal(), /not a SQLite database, or it is damaged/);
    assert.equal(await readFile(filename, 'utf8'), bytes);
  });

  it('refuses a damaged database', async () => {
    await makeQueue();
    const bytes = await readFile(filename);
    await writeFile(filename, bytes.fill(0x5a, 100, 4096));
    assert.match(await refusal(), /damaged/);
  });

  it('refuses the file of another queue', async () => {
    await makeQueue();
    assert.match(await refusal(filename, 'other'), /belongs to the queue "q"; give the queue "other" a file of its own/);
  });

  it('refuses the database of another program', async () => {
    const database = await openDatabase(filename);
    database.exec('CREATE TABLE photos (id INTEGER)');
    database.close();
    assert.match(await refusal(), /database of something else.*"photos"/);
  });

  it('refuses a newer layout', async () => {
    await makeQueue();
    const database = await openDatabase(filename);
    database.exec("UPDATE meta SET value = 3 WHERE name = 'layout'");
    database.close();
    assert.match(await refusal(), /has storage layout 3 and this version knows 2; update huey-runtime/);
  });

  it('refuses a folder that is a file, and a file that is a folder', async () => {
    await writeFile(path.join(folder, 'file'), '');
    assert.match(await refusal(path.join(folder, 'file', 'q.db')), /folder of .* cannot be made/);
    await mkdir(filename);
    assert.match(await refusal(), /cannot be opened for writing/);
  });

  it('refuses a folder that must not be written', async (t) => {
    const locked = path.join(folder, 'locked');
    const file = path.join(locked, 'q.db');
    await mkdir(locked);
    // Root may write everywhere: then as somebody else, with the driver loaded before.
    const isRoot = process.geteuid?.() === 0;
    if (process.geteuid === undefined) return t.skip('no such permissions on this system');
    (await openDatabase(filename)).close();
    await chmod(folder, 0o755);
    await chmod(locked, 0o555);
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      await SqliteEngine.open('q', file).then(
        () => assert.fail('it was opened'),
        (error: unknown) => {
          const explained = explain(error, file, false);
          assert.ok(explained instanceof StorageRefused, String(explained));
          assert.match(explained.message, /cannot be opened for writing .* check that this user may write the file and its folder/);
        },
      );
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(locked, 0o755);
    }
  });

  it('opens after all when the reason of the refusal has gone', async () => {
    await mkdir(filename);
    const storage = new SqliteStorage('q', filename);
    await assert.rejects(storage.counts(), StorageRefused);
    await removeDir(filename);
    assert.deepEqual(await storage.enqueue(items(['a'])), { duplicates: [], conflicts: [] });
    await storage.close();
  });

  it('keeps everything over a restart', async () => {
    await makeQueue();
    const storage = new SqliteStorage('q', filename);
    assert.equal((await storage.counts()).ready, 2);
    assert.deepEqual(await storage.enqueue(items(['a', 'c'])), { duplicates: [0], conflicts: [] });
    await storage.close();
  });

  it('brings a file of the first layout up to date, and keeps what is in it', async () => {
    await makeQueue();
    const database = await openDatabase(filename);
    for (const table of ADDED_SINCE_1) database.exec(`DROP TABLE ${table}`);
    database.exec("UPDATE meta SET value = 1 WHERE name = 'layout'");
    database.close();
    const storage = new SqliteStorage('q', filename);
    assert.equal((await storage.counts()).ready, 2);
    assert.equal(await storage.putKey('k', '1', true), true);
    await storage.flush();
    await storage.close();
    const after = await openDatabase(filename);
    assert.equal(after.prepare("SELECT value FROM meta WHERE name = 'layout'").get()?.['value'], 2);
    after.close();
  });

  it('refuses calls when it is closed, until it is opened again', async () => {
    const storage = new SqliteStorage('q', filename);
    await storage.enqueue(items(['a']));
    await storage.close();
    await assert.rejects(storage.counts(), StorageUnavailable);
    await storage.open();
    assert.equal((await storage.counts()).ready, 1);
    await storage.close();
  });

  it('wants the name of a file', () => {
    assert.throws(() => new SqliteStorage('q', ''), ConfigurationError);
    assert.throws(() => new SqliteStorage('q', ':memory:'), ConfigurationError);
  });
});
