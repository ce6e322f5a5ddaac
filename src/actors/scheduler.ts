/**
 * The scheduler actor, in a thread of its own: wakes when the next scheduled task is due and has it promoted. Run as the
 * entry of that thread. The supervisor promotes, because it owns the storage; this thread only knows when.
 */
import { workerData } from 'node:worker_threads';
import { connectActor, exposeActor } from '../runtime/actor-ref.js';
import { COMMAND_TIMEOUT_MS, PROMOTE_BATCH } from '../runtime/limits.js';
import type { PromoteReply } from '../runtime/storage.js';
import type { ActorStart } from './actor-thread.js';

export interface SchedulerData {
  /** The longest time between two looks. */
  intervalMs: number;
}

/** What the supervisor offers to it. */
export interface SchedulerOffers {
  promote(limit: number): Promise<PromoteReply>;
}

/** What it can be told. */
export interface SchedulerMethods {
  /** Something is due earlier than what it knew. */
  wake(): void;
  /** Shows that it lives. */
  ping(): true;
}

const { inbox, outbox, data } = workerData as ActorStart<SchedulerData>;
const supervisor = connectActor<SchedulerOffers>(outbox, {
  name: 'the supervisor',
  methods: ['promote'],
  deadlineMs: 2 * COMMAND_TIMEOUT_MS,
});

let timer: NodeJS.Timeout | undefined;
let looking = false;
let again = false;

exposeActor(inbox, {
  wake: () => {
    if (looking) again = true;
    else void look();
  },
  ping: () => true,
} satisfies SchedulerMethods);
void look();

async function look(): Promise<void> {
  clearTimeout(timer);
  looking = true;
  again = false;
  let waitMs = data.intervalMs;
  try {
    const { now, promoted, nextDueAt } = await supervisor.promote(PROMOTE_BATCH);
    if (promoted === PROMOTE_BATCH) waitMs = 0;
    else if (nextDueAt !== undefined) waitMs = Math.min(waitMs, Math.max(0, nextDueAt - now));
  } catch {
    // The storage is away, and the supervisor says so; the next look comes anyway.
  }
  looking = false;
  timer = setTimeout(() => void look(), again ? 0 : waitMs);
}
