/**
 * What every storage does, whatever it is made of. `describeStorage` declares the tests for one kind; the parts are by
 * what they look at. A storage whose clock can be moved (the memory one) is also asked about days and hours.
 */
import { describe, it, type TestContext } from 'node:test';
import { describeCancel } from './conformance-cancel.js';
import { describeChunks } from './conformance-chunks.js';
import { describeCommit } from './conformance-commit.js';
import { describeConsumers } from './conformance-consumers.js';
import { describeEnqueue } from './conformance-enqueue.js';
import { describeInstance } from './conformance-instance.js';
import { describeKeys } from './conformance-keys.js';
import { describeLease } from './conformance-lease.js';
import { describeLinks } from './conformance-links.js';
import { describeLocks } from './conformance-locks.js';
import { describeMarks } from './conformance-marks.js';
import { describeModel } from './conformance-model.js';
import { describeReap } from './conformance-reap.js';
import { describeReload } from './conformance-reload.js';
import { describeResults } from './conformance-results.js';
import { describeSchedule } from './conformance-schedule.js';
import { describeShelf } from './conformance-shelf.js';
import { describeUnique } from './conformance-unique.js';
import { describeWait } from './conformance-wait.js';
import { World, type MakeFixture } from './world.js';

/** Declares one test, with a queue of its own. */
export type Check = (title: string, body: (world: World, t: TestContext) => Promise<void>) => void;

export interface Checks {
  check: Check;
  /** Only where the clock can be moved: hours and days, and steps back. */
  checkLong: Check;
}

export interface StorageOptions {
  clockMoves?: boolean;
  /** Random ones, done to a model beside it. */
  histories?: number;
}

const TEST_TIMEOUT_MS = 60_000;
const HISTORIES = 15;

export function describeStorage(name: string, makeFixture: MakeFixture, options: StorageOptions = {}): void {
  const check: Check = (title, body) => {
    it(title, { timeout: TEST_TIMEOUT_MS }, async (t) => {
      const fixture = await makeFixture();
      try {
        await body(new World(fixture), t);
      } finally {
        await fixture.close();
      }
    });
  };
  const checks = { check, checkLong: options.clockMoves === true ? check : () => undefined };
  const parts = {
    enqueue: describeEnqueue,
    lease: describeLease,
    commit: describeCommit,
    chunks: describeChunks,
    results: describeResults,
    wait: describeWait,
    consumers: describeConsumers,
    reap: describeReap,
    instances: describeInstance,
    reload: describeReload,
    schedule: describeSchedule,
    marks: describeMarks,
    canceling: describeCancel,
    'links and chords': describeLinks,
    unique: describeUnique,
    'keys with a limit': describeKeys,
    'locks and rates': describeLocks,
    'values, lists, events': describeShelf,
  };
  for (const [part, declare] of Object.entries(parts)) describe(`${name} storage: ${part}`, () => declare(checks));
  describe(`${name} storage: random histories`, () => describeModel(makeFixture, options.histories ?? HISTORIES));
}
