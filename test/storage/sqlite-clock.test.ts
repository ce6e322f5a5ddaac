/** The part of the conformance suite that needs hours and days, on SQLite with a clock that is moved. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SqliteStorage } from '../../src/runtime/storage/sqlite.js';
import { describeEnqueue } from './conformance-enqueue.js';
import { describeLease } from './conformance-lease.js';
import { describeLinks } from './conformance-links.js';
import { describeMarks } from './conformance-marks.js';
import { describeModel } from './conformance-model.js';
import { describeReap } from './conformance-reap.js';
import { describeResults } from './conformance-results.js';
import { describeSchedule } from './conformance-schedule.js';
import { describeUnique } from './conformance-unique.js';
import type { Check } from './conformance.js';
import { World, type StorageFixture } from './world.js';

const START_MS = Date.UTC(2026, 0, 1);

async function makeFixture(): Promise<StorageFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'huey-sqlite-'));
  const clock = new BigInt64Array(new SharedArrayBuffer(8));
  clock[0] = BigInt(START_MS);
  const opened: SqliteStorage[] = [];
  const open = async (): Promise<SqliteStorage> => {
    const storage = new SqliteStorage('q', join(folder, 'q.db'), { clock });
    opened.push(storage);
    await storage.open();
    return storage;
  };
  const storage = await open();
  return {
    storage,
    another: open,
    pushRaw: (text) => storage.pushRaw(text),
    advance: (ms) => void Atomics.add(clock, 0, BigInt(ms)),
    close: async () => {
      for (const one of opened) await one.close();
      await rm(folder, { recursive: true });
    },
  };
}

const checkLong: Check = (title, body) => {
  it(title, { timeout: 60_000 }, async (t) => {
    const fixture = await makeFixture();
    try {
      await body(new World(fixture), t);
    } finally {
      await fixture.close();
    }
  });
};
/** With the real clock these run elsewhere. */
const check: Check = () => undefined;

describe('sqlite storage with a moved clock', () => {
  const parts = [
    describeEnqueue,
    describeLease,
    describeResults,
    describeReap,
    describeSchedule,
    describeMarks,
    describeLinks,
    describeUnique,
  ];
  for (const declare of parts) {
    declare({ check, checkLong });
  }
  describeModel(makeFixture, 10);
});
