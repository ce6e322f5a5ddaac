/**
 * The periodic actor, in a thread of its own: walks the minutes of the storage's clock, evaluates the crontabs, and has
 * due ticks enqueued. Run as the entry of that thread. However many consumers do the same, the storage takes each
 * (task, minute) once.
 */
import { workerData } from 'node:worker_threads';
import { connectActor, exposeActor } from '../runtime/actor-ref.js';
import { crontab, type Crontab } from '../runtime/crontab.js';
import { COMMAND_TIMEOUT_MS, MINUTE_MS } from '../runtime/limits.js';
import type { PeriodicSettings } from '../runtime/registry.js';
import type { ActorStart } from './actor-thread.js';

export interface PeriodicData {
  tasks: { name: string; periodic: PeriodicSettings }[];
  /** The zone of crontabs that name none. */
  zone: string;
}

/** What the supervisor offers to it. */
export interface PeriodicOffers {
  storageNow(): number;
  /** The crontabs are looked at now. */
  checking(): void;
  tick(task: string, minuteMs: number): Promise<boolean>;
  lastTicks(tasks: string[]): Promise<(number | undefined)[]>;
  skipTicks(tasks: string[], minuteMs: number): Promise<void>;
  skipped(task: string, minutes: number): void;
}

/** What it can be told: nothing but to show that it lives. */
export interface PeriodicMethods {
  ping(): true;
}

interface Entry {
  name: string;
  crontab: Crontab;
  zone: string;
  catchUpMs: number;
  /** Minutes up to this one are settled: ticked, skipped, or not its own. */
  settledMs: number;
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

let entries: Entry[] | undefined;
void walk();

async function walk(): Promise<void> {
  let waitMs = RETRY_MS;
  try {
    const now = await supervisor.storageNow();
    entries ??= await recall(now);
    const minuteMs = Math.floor(now / MINUTE_MS) * MINUTE_MS;
    await supervisor.checking();
    for (const entry of entries) await settle(entry, minuteMs, now);
    waitMs = minuteMs + MINUTE_MS - (await supervisor.storageNow()) + SLACK_MS;
  } catch {
    // The storage is away, and the supervisor says so; what was due in the meantime is caught up with.
  }
  setTimeout(() => void walk(), Math.max(SLACK_MS, waitMs));
}

/** What the storage remembers: ticks since then, within the catch-up window, are still owed. */
async function recall(now: number): Promise<Entry[]> {
  const names = data.tasks.map(({ name }) => name);
  const minutes = await supervisor.lastTicks(names);
  const minuteMs = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  const unknown = names.filter((_, i) => minutes[i] === undefined);
  if (unknown.length > 0) await supervisor.skipTicks(unknown, minuteMs);
  return data.tasks.map(({ name, periodic }, i) => ({
    name,
    crontab: crontab(periodic.expression),
    zone: periodic.zone ?? data.zone,
    catchUpMs: periodic.catchUpMs,
    settledMs: minutes[i] ?? minuteMs,
  }));
}

/** Enqueues the newest minute that is due and not settled; older ones are skipped. */
async function settle(entry: Entry, minuteMs: number, now: number): Promise<void> {
  const oldestMs = Math.max(entry.settledMs + MINUTE_MS, Math.ceil((now - entry.catchUpMs - MINUTE_MS) / MINUTE_MS) * MINUTE_MS);
  let due: number | undefined;
  let skipped = 0;
  for (let at = minuteMs; at >= oldestMs; at -= MINUTE_MS) {
    if (!entry.crontab.matches(at, entry.zone)) continue;
    if (due === undefined) due = at;
    else skipped += 1;
  }
  if (due !== undefined && !(await supervisor.tick(entry.name, due))) {
    // Another consumer was first, or, by the storage's clock, the minute has not come yet: then it is still owed.
    const [last] = await supervisor.lastTicks([entry.name]);
    if (last === undefined || last < due) throw new Error(`the minute has not come yet for ${entry.name}`);
  }
  entry.settledMs = Math.max(entry.settledMs, minuteMs);
  if (skipped > 0) await supervisor.skipped(entry.name, skipped);
}
