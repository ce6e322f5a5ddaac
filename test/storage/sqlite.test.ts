import path from 'node:path';
import { openDatabase } from '../../src/runtime/storage/sqlite-driver.js';
import { SqliteStorage } from '../../src/runtime/storage/sqlite.js';
import { makeTempDir, removeDir } from '../support/temp-dir.js';
import { describeStorage } from './conformance.js';

describeStorage('sqlite', async () => {
  const folder = await makeTempDir();
  const filename = path.join(folder, 'queue.db');
  const opened: SqliteStorage[] = [];
  const open = async (): Promise<SqliteStorage> => {
    const storage = new SqliteStorage('q', filename);
    opened.push(storage);
    await storage.open();
    return storage;
  };
  return {
    storage: await open(),
    another: open,
    pushRaw: async (text) => {
      const database = await openDatabase(filename);
      database.prepare('INSERT INTO ready (text) VALUES (?)').run(text);
      database.close();
    },
    close: async () => {
      for (const storage of opened) await storage.close();
      await removeDir(folder);
    },
  };
});
