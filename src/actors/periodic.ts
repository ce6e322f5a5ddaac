/**
 * The periodic actor, in a thread of its own: walks the minutes of the storage's clock, evaluates the crontabs, and has
 * due ticks enqueued (periodic-walk.ts). Run as the entry of that thread.
 */
import { workerData } from 'node:worker_threads';
import { connectActor, exposeActor } from '../runtime/actor-ref.js';
import { COMMAND_TIMEOUT_MS } from '../runtime/limits.js';
import type { ActorStart } from './actor-thread.js';
import { PeriodicWalk, type PeriodicData, type PeriodicOffers } from './periodic-walk.js';

export type { PeriodicData, PeriodicOffers } from './periodic-walk.js';

/** What it can be told: nothing but to show that it lives. */
export interface PeriodicMethods {
  ping(): true;
}

/** How long before a call that failed is tried again. */
const RETRY_MS = 1000;
/** Timers are a little early or late; the minute must have come. */
const SLACK_MS = 5;

const { inbox, outbox, data } = workerData as ActorStart<PeriodicData>;
const supervisor = connectActor<PeriodicOffers>(outbox, {
  name: 'the supervisor',
  methods: ['storageNow', 'checking', 'tick', 'lastTicks', 'skipTicks', 'skipped'],
  deadlineMs: 2 * COMMAND_TIMEOUT_MS,
});
exposeActor(inbox, { ping: () => true } satisfies PeriodicMethods);

const minutes = new PeriodicWalk(data, supervisor);
void walk();

async function walk(): Promise<void> {
  let waitMs = RETRY_MS;
  try {
    waitMs = (await minutes.look()) + SLACK_MS;
  } catch {
    // The storage is away, and the supervisor says so; what was due in the meantime is caught up with.
  }
  setTimeout(() => void walk(), Math.max(SLACK_MS, waitMs));
}
