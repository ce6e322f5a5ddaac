import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkSizer } from '../../src/actors/chunk-sizer.js';
import { CHUNK_MAX, CHUNK_MIN, CHUNK_START } from '../../src/runtime/limits.js';

/** Notes chunks as full as they were asked for, each task taking so long. */
function feed(sizer: ChunkSizer, taskMs: number, chunks: number): void {
  for (let i = 0; i < chunks; i++) sizer.note(sizer.size * taskMs, sizer.size);
}

describe('the size of a chunk', () => {
  it('starts small, and grows with quick tasks to its limit', () => {
    const sizer = new ChunkSizer();
    assert.equal(sizer.size, CHUNK_START);
    feed(sizer, 0.001, 1);
    assert.equal(sizer.size, 2 * CHUNK_START);
    feed(sizer, 0.001, 20);
    assert.equal(sizer.size, CHUNK_MAX);
  });

  it('falls with slow ones until they travel one by one', () => {
    const sizer = new ChunkSizer();
    feed(sizer, 50, 20);
    assert.equal(sizer.size, CHUNK_MIN);
    assert.equal(sizer.pace(false).ahead, 0);
  });

  it('is not changed by one slow chunk among quick ones', () => {
    const sizer = new ChunkSizer();
    feed(sizer, 0.001, 20);
    sizer.note(500, CHUNK_MAX);
    assert.equal(sizer.size, CHUNK_MAX);
    feed(sizer, 0.001, 1);
    sizer.note(500, CHUNK_MAX);
    assert.equal(sizer.size, CHUNK_MAX);
    sizer.note(500, CHUNK_MAX);
    assert.equal(sizer.size, CHUNK_MAX / 2);
  });

  it('learns nothing about larger chunks from one that was not full, and nothing at all from an empty one', () => {
    const sizer = new ChunkSizer();
    for (let i = 0; i < 10; i++) sizer.note(0.1, 1);
    for (let i = 0; i < 10; i++) sizer.note(1000, 0);
    assert.equal(sizer.size, CHUNK_START);
  });

  it('settles where a chunk takes neither long nor nothing', () => {
    const sizer = new ChunkSizer();
    feed(sizer, 1, 50);
    const settled = sizer.size;
    feed(sizer, 1, 50);
    assert.equal(sizer.size, settled);
    assert.ok(settled * 1 <= 16 && settled * 1 >= 4, String(settled));
  });

  it('lets as many chunks wait as do not wait long', () => {
    const sizer = new ChunkSizer();
    assert.equal(sizer.pace(false).ahead, 1);
    feed(sizer, 0.01, 5);
    assert.ok(sizer.pace(false).ahead > 2, String(sizer.pace(false).ahead));
    feed(sizer, 30, 2);
    assert.equal(sizer.pace(false).ahead, 0);
  });

  it('lets one wait behind a task of some length only where enough is left for everybody', () => {
    const sizer = new ChunkSizer();
    feed(sizer, 60, 20);
    assert.deepEqual([sizer.pace(false).ahead, sizer.pace(true).ahead], [0, 1]);
    feed(sizer, 200, 2);
    assert.equal(sizer.pace(true).ahead, 0);
  });

  it('stays small for large messages', () => {
    const sizer = new ChunkSizer();
    feed(sizer, 0.001, 20);
    sizer.noteLength(1024 * 1024, 1);
    assert.equal(sizer.size, CHUNK_MIN);
    sizer.noteLength(100 * 100, 100);
    assert.equal(sizer.size, CHUNK_MAX);
  });
});
