/**
 * F24: does anything grow? By default 100,000 tasks that do nothing, then a minute in which one run of a hundred takes
 * its thread down; with `--full` a million, and ten minutes.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../support/poll.js';
import { fault, isFull } from './harness/scenario.js';

const NOTHINGS = isFull() ? 1_000_000 : 100_000;
const CRASHING_MS = isFull() ? 600_000 : 60_000;
const BATCH = 5000;
const ONE_IN = 100;
const ROUND_TASKS = 100;
const ROUND_MS = 500;
/** What the second half may use more than the first: garbage that is not collected yet, a spare thread. */
const MORE_RSS_MIB = 48;
const MORE_HANDLES = 16;
const MORE_THREADS = 4;

interface Sample {
  rssMib: number;
  threads: number;
  handles: number;
}

fault(
  'F24',
  `${NOTHINGS} tasks that do nothing; then ${CRASHING_MS / 1000} s with 1 % crashes`,
  { timeoutMs: 30 * 60_000 },
  async (world) => {
    const consumer = await world.startConsumer();
    const { huey, nothing } = await world.tasks();
    const quick: Sample[] = [];
    for (let made = 0; made < NOTHINGS; made += BATCH) {
      await huey.enqueueMany(Array.from({ length: BATCH }, () => nothing.s()));
      await poll('a batch to be run', async () => (await huey.pendingCount()) + (await huey.runningCount()) === 0);
      quick.push(sample(consumer.pid));
    }
    const quickNote = levelsOff(quick, 'tasks that do nothing');

    const crashing: Sample[] = [];
    for (let endsAt = Date.now() + CRASHING_MS; Date.now() < endsAt;) {
      await world.enqueue(ROUND_TASKS, (_i, { crashNowAndThen }) => crashNowAndThen.s(ONE_IN));
      await sleep(ROUND_MS);
      crashing.push(sample(consumer.pid));
    }
    const states = await world.settled();
    for (const [id, state] of states) assert.equal(state, 'done', `task ${id} ended ${state}`);
    const crashes = consumer.logged(/a worker thread died/).length;
    assert.ok(crashes > 0, 'threads died');
    const note = `${levelsOff(crashing, 'crashes')}, ${crashes} threads died; before: ${quickNote}`;
    await world.quiet();
    return world.report({ note });
  },
);

/** The second half uses no more than the first, but for some room. */
function levelsOff(samples: readonly Sample[], what: string): string {
  const half = Math.floor(samples.length / 2);
  const most = (part: readonly Sample[], of: keyof Sample): number => Math.max(...part.map((one) => one[of]));
  const [early, late] = [samples.slice(0, half), samples.slice(half)];
  const rooms = { rssMib: MORE_RSS_MIB, threads: MORE_THREADS, handles: MORE_HANDLES } as const;
  const grown = (Object.keys(rooms) as (keyof Sample)[]).map((of) => {
    const [before, after] = [most(early, of), most(late, of)];
    assert.ok(after <= before + rooms[of], `${what}: ${of} grew from ${before} to ${after}`);
    return `${of} ${before}->${after}`;
  });
  return grown.join(' ');
}

function sample(pid: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return { rssMib: Math.round(field('VmRSS') / 1024), threads: field('Threads'), handles: readdirSync(`/proc/${pid}/fd`).length };
}
