/** Events in the SQLite file: written only while somebody listens, and gaps are noticed. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SqliteEngine } from '../../src/runtime/storage/sqlite-engine.js';
import { makeTempDir, removeDir } from '../support/temp-dir.js';

const MINUTE_MS = 60_000;

let folder: string;
let engine: SqliteEngine;
let now: number;

beforeEach(async () => {
  folder = await makeTempDir();
  now = Date.UTC(2026, 0, 1);
  engine = await SqliteEngine.open('q', path.join(folder, 'q.db'), () => now);
});

afterEach(async () => {
  engine.close();
  await removeDir(folder);
});

describe('events in a SQLite file', () => {
  it('are not written while nobody listens', () => {
    engine.tools.publishEvents(['a']);
    assert.deepEqual(engine.tools.eventsAfter(0), { seq: 0, events: [], gap: false });
    engine.tools.listenToEvents('l', true);
    engine.tools.publishEvents(['b']);
    assert.deepEqual(engine.tools.eventsAfter(0), { seq: 1, events: ['b'], gap: false });
    engine.tools.listenToEvents('l', false);
    engine.tools.publishEvents(['c']);
    assert.deepEqual(engine.tools.eventsAfter(1), { seq: 1, events: [], gap: false });
  });

  it('are wanted for a short time only, unless the listener renews its wish', () => {
    assert.equal(engine.tools.listenToEvents('l', true).wasThere, false);
    now += 9000;
    assert.equal(engine.tools.listenToEvents('l', true).wasThere, true);
    now += 9000;
    assert.equal(engine.tools.eventsWanted(), true);
    now += 2000;
    assert.equal(engine.tools.eventsWanted(), false);
    assert.equal(engine.tools.listenToEvents('l', true).wasThere, false);
  });

  it('live for a short time, and who comes too late learns that some are missing', () => {
    engine.tools.listenToEvents('l', true);
    engine.tools.publishEvents(['a', 'b']);
    now += MINUTE_MS;
    engine.tools.listenToEvents('l', true);
    engine.tools.publishEvents(['c']);
    assert.deepEqual(engine.tools.eventsAfter(0), { seq: 3, events: ['c'], gap: true });
    assert.deepEqual(engine.tools.eventsAfter(2), { seq: 3, events: ['c'], gap: false });
    now += MINUTE_MS;
    engine.reap(1000);
    assert.deepEqual(engine.tools.eventsAfter(2), { seq: 3, events: [], gap: true });
    assert.deepEqual(engine.tools.eventsAfter(3), { seq: 3, events: [], gap: false });
  });

  it('are not taken back by a flush', () => {
    engine.tools.listenToEvents('l', true);
    engine.tools.publishEvents(['a']);
    engine.tools.flush();
    assert.deepEqual(engine.tools.eventsAfter(0), { seq: 1, events: ['a'], gap: false });
  });
});
