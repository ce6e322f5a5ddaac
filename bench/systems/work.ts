/** The tasks themselves: the same functions in every system. */
import { existsSync } from 'node:fs';
import { writeRun } from '../control/journal.js';
import { nowMs } from '../shared-clock.js';
import type { TaskData, TaskName } from './protocol.js';

/** Long enough that timers of one millisecond do not matter. */
export const WAIT_MS = 10;

export function noop(data: TaskData): number {
  return data.n;
}

/** A fixed amount of work, not of time: on a busy machine it takes longer, in every system alike. */
export function cpu(data: TaskData): number {
  spin(data.spins ?? 0);
  return data.n;
}

export function wait(data: TaskData): Promise<number> {
  return new Promise((resolve) => setTimeout(resolve, WAIT_MS, data.n));
}

/** Gives the time at which it was started, on the clock that all processes of a machine share. */
export function stamp(data: TaskData): number {
  const startedAtMs = nowMs();
  if (data.spins !== undefined) spin(data.spins);
  return startedAtMs;
}

/** So long, whatever else the machine does: for what is measured beside it. */
export function burn(data: TaskData): number {
  const endsAtMs = performance.now() + (data.ms ?? 0);
  while (performance.now() < endsAtMs);
  return data.n;
}

/** Takes its thread down in its first run, and ends well in its second. Each has a journal of its own, which tells it. */
export function die({ n, journal = '' }: TaskData): number {
  const isFirst = !existsSync(journal);
  writeRun(journal, n);
  if (isFirst) process.exit(1);
  return n;
}

/** By name: for the systems that have one function for all tasks. */
export function work(task: string, data: TaskData): number | Promise<number> {
  switch (task as TaskName) {
    case 'noop':
      return noop(data);
    case 'cpu':
      return cpu(data);
    case 'wait':
      return wait(data);
    case 'stamp':
      return stamp(data);
    case 'burn':
      return burn(data);
    case 'die':
      return die(data);
  }
}

export function spin(rounds: number): number {
  let x = 1;
  for (let i = 0; i < rounds; i++) x = (Math.imul(x, 1103515245) + 12345) | 0;
  return x;
}

/** How many rounds take so long on this machine when nothing else runs: the best of several tries. */
export function spinsFor(ms: number): number {
  let bestMs = Infinity;
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    // Looked at, so that the engine cannot leave the loop out.
    if (Number.isNaN(spin(PROBE_SPINS))) throw new Error('a calculation with whole numbers gave none');
    bestMs = Math.min(bestMs, performance.now() - before);
  }
  return Math.round((PROBE_SPINS / bestMs) * ms);
}

const PROBE_SPINS = 2_000_000;
