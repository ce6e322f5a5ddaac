/**
 * One row of the table of faults: a test with a world of its own, which prints one line and fails where anything was
 * lost. What else the row promises, its function asserts.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { randomSeed } from '../../support/seed.js';
import { publish, type Report, type Row } from './report.js';
import { FaultWorld, type WorldOptions } from './world.js';

export type { Report } from './report.js';
export { FaultWorld } from './world.js';

export interface FaultOptions extends WorldOptions {
  /** No row takes nearly as long; one that hangs shall not hang the suite. Default 5 minutes. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 5 * 60_000;

/** Registers a test, unless HUEY_FAULTS_ONLY names other rows. */
export function fault(number: `F${number}`, title: string, options: FaultOptions, run: (world: FaultWorld) => Promise<Report>): void {
  if (!isWanted(number)) return;
  const { storage = 'redis', timeoutMs = TIMEOUT_MS } = options;
  it(`${number}: ${title}, on ${storage}`, { timeout: timeoutMs }, async (t) => {
    const row: Row = { fault: number, title, storage, seed: randomSeed(t), durationMs: 0 };
    const startedAt = performance.now();
    try {
      const world = await FaultWorld.open(t, { ...options, storage }, row.seed, `${number} ${title} ${storage}`);
      row.report = await run(world);
      assert.equal(row.report.lost, 0, `${row.report.lost} of ${row.report.n} tasks were lost`);
    } catch (error) {
      row.failure = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      row.durationMs = Math.round(performance.now() - startedAt);
      publish(row);
    }
  });
}

/** True where the long variants of rows were asked for (`npm run test:faults -- --full`). */
export function isFull(): boolean {
  return process.env['HUEY_FAULTS_FULL'] === '1';
}

function isWanted(number: string): boolean {
  const only = process.env['HUEY_FAULTS_ONLY'] ?? '';
  return only === '' || only.split(',').includes(number);
}
