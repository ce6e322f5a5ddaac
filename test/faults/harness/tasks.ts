/**
 * The tasks of the fault suite. Which queue, where it is kept and where runs are noted stands in the query of the URL by
 * which this module is loaded (the test's own process) or in the environment (consumers and producers).
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHuey, currentTask, RedisHuey, SqliteHuey, type Huey } from 'huey-runtime';
import { Journal, noteRun } from './journal.js';

const query = new URL(import.meta.url).searchParams;
export const journalFile = setting('journal', 'HUEY_FAULTS_JOURNAL');

export const huey = openHuey(setting('queue', 'HUEY_FAULTS_QUEUE'), query.get('url'));

function setting(name: string, variable: string): string {
  return query.get(name) ?? process.env[variable] ?? name;
}

function openHuey(queue: string, url: string | null): Huey {
  if (url === null) return createHuey(queue);
  if (url.startsWith('sqlite:')) return new SqliteHuey(queue, { filename: url.slice('sqlite:'.length) });
  return new RedisHuey(queue, { url });
}

function note(): number {
  return noteRun(journalFile, currentTask().id);
}

/** Waits for so many milliseconds, as most tasks do. */
export const work = huey.task(async function work(ms: number) {
  note();
  await sleep(ms);
  return ms;
});

/** Uses the processor for so many milliseconds, and gives nobody else in its thread a turn. */
export const burn = huey.task(function burn(ms: number) {
  note();
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
  return ms;
});

export const nothing = huey.task(function nothing() {
  // It leaves neither a result nor a note.
});

/** One stage of a pipeline, one member of a chord: gives what it was given, plus one. */
export const plusOne = huey.task(async function plusOne(value: number) {
  note();
  await sleep(5);
  return value + 1;
});

/** The callback of a chord. */
export const collect = huey.task(function collect(values: number[]) {
  note();
  return values;
});

/** Holds a lock while it runs. */
export const locked = huey.task(async function locked(name: string, ms: number) {
  return huey.lockTask(name).run(async () => {
    note();
    await sleep(ms);
    return true;
  });
});

/** So many runs of a key at once. */
export const KEY_LIMIT = 2;

/** Notes its beginning and its end in this file, with its key. */
export const keyed = huey.task(
  { concurrencyKey: (key: string) => key, concurrencyLimit: KEY_LIMIT },
  async function keyed(key: string, turns: string, ms: number) {
    note();
    const { id } = currentTask();
    appendFileSync(turns, `+ ${process.pid} ${id} ${key}\n`);
    await sleep(ms);
    appendFileSync(turns, `- ${process.pid} ${id} ${key}\n`);
    return ms;
  },
);

/** Gives the instant that stands in the journal for the run whose result it is. */
export const stamp = huey.task(async function stamp(ms: number) {
  const at = note();
  await sleep(ms);
  return at;
});

/** Ends once so many of them run at the same time: the proof that there are places for all. */
export const meet = huey.task(async function meet(file: string, count: number) {
  note();
  noteRun(file, currentTask().id);
  while (new Journal(file).distinct() < count) await sleep(10);
});

/** Takes its thread down in one of so many runs. */
export const crashNowAndThen = huey.task(function crashNowAndThen(oneIn: number) {
  note();
  if (Math.random() * oneIn < 1) process.exit(1);
});

export const exit = huey.task(function exit() {
  note();
  process.exit(1);
});

/** Many small objects, kept: the thread's heap is full before the machine's memory is. */
export const eatMemory = huey.task(function eatMemory() {
  note();
  const kept: unknown[] = [];
  for (;;) kept.push({ number: kept.length, text: String(kept.length) });
});

export const spin = huey.task(function spin() {
  note();
  for (;;);
});

export const spinUntilStopped = huey.task({ timeout: 0.3, grace: 0.2 }, function spinUntilStopped() {
  note();
  for (;;);
});

export const rejectUnhandled = huey.task(async function rejectUnhandled() {
  note();
  void Promise.reject(new RangeError('nobody handles this'));
  await sleep(60_000);
});

/** It has ended when its timer throws. */
export const leaveTimer = huey.task(function leaveTimer() {
  note();
  setTimeout(() => {
    throw new RangeError('from a timer that was left behind');
  }, 20);
});

export const throwNull = huey.task(function throwNull() {
  note();
  throw null;
});

export const giveUnencodable = huey.task(function giveUnencodable(what: 'function' | 'cycle' | 'symbol'): unknown {
  note();
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  return { function: () => 1, cycle, symbol: Symbol('bean') }[what];
});
