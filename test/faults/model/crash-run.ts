/**
 * One scenario with one fault: run it, start again what died, let time go by until all is quiet, and look whether the
 * promises were kept. Over memory, time moves only here.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { currentTask } from '../../../src/api/context.js';
import type { FinalState, ResultRecord } from '../../../src/runtime/completion.js';
import { BEATS_PER_LEASE } from '../../../src/runtime/limits.js';
import type { Storage } from '../../../src/runtime/storage.js';
import { FaultPlan, type FaultKind } from './lossy-storage.js';
import { App, ModelConsumer } from './process.js';

/** Simulated: an hour. */
const STEPS_MAX = 720;
/** Turns of the loop without any change before a consumer counts as quiet. */
const CALM_TURNS = 4;
const CALM_MAX_MS = 2000;

export interface Run {
  id: string;
  attempt: number;
  /** Retries left when it ran. */
  retries: number;
  /** By the storage's clock. */
  at: number;
}

export interface Scenario {
  name: string;
  /** Declares the tasks, as each process does; gives what the producer does. */
  module(app: App, world: CrashWorld): () => Promise<void>;
  /** The only ids there may be, unless `check` says otherwise, and how each ends. */
  ends: Record<string, FinalState>;
  /** How often the end of a task may be told, the same each time. Absent: once. */
  told?: Record<string, number>;
  /** So many ids that are made up on the way. */
  strangers?: number;
  /** How it may end too where the producer died in the middle. */
  endsHalfway?: Record<string, FinalState>;
  /** The producer makes more than one call, so that some tasks may be stored and others not. */
  manyCalls?: true;
  /** How often each task runs where nothing goes wrong. Absent: once, where it ends as done or failed. */
  runs?: Record<string, number>;
  /** So long after the producer the consumer starts. */
  consumerLateMs?: number;
  /** Waits that nobody has the patience for where the clock cannot be moved. */
  long?: true;
  /** At least so many beats of a consumer, though nothing is to be done. */
  beats?: number;
  /** Once with each beat. */
  beat?(app: App, world: CrashWorld): Promise<void>;
  /** What else must hold in the end. */
  check?(world: CrashWorld, producerDied: boolean): Promise<void> | void;
}

export interface FaultPoint {
  role: 'producer' | 'consumer';
  kind: FaultKind;
  /** The n-th call of this role. */
  at: number;
}

/** A queue, and whoever works on it. */
export interface WorldStorage {
  /** For whoever looks from outside. */
  observer: Storage;
  /** A storage of its own for a process. */
  connect(): Promise<Storage>;
  readonly leaseMs: number;
  /** Moves the storage's clock, or waits. */
  advance(ms: number): Promise<void> | void;
}

export class CrashWorld {
  readonly runs: Run[] = [];
  readonly ended: { id: string; record: ResultRecord | undefined }[] = [];
  readonly observer: Storage;
  readonly leaseMs: number;
  nowMs = 0;
  readonly #storage: WorldStorage;
  readonly #apps: App[] = [];

  constructor(storage: WorldStorage) {
    this.#storage = storage;
    this.observer = storage.observer;
    this.leaseMs = storage.leaseMs;
  }

  async app(plan: FaultPlan): Promise<App> {
    const app = new App(await this.#storage.connect(), plan);
    this.#apps.push(app);
    return app;
  }

  dispose(): void {
    for (const { line } of this.#apps) line.dispose();
  }

  async advance(ms: number): Promise<void> {
    await this.#storage.advance(ms);
    this.nowMs += ms;
  }

  /** Called by a task when it runs. */
  ran(): void {
    const task = currentTask();
    this.runs.push({ id: task.id, attempt: task.attempt, retries: task.retries, at: this.nowMs });
  }

  runsOf(id: string): Run[] {
    return this.runs.filter((run) => run.id === id);
  }
}

export interface RunReport {
  producerCalls: string[];
  consumerCalls: string[];
  struck: boolean;
}

/** Gives the calls that were made, so that the next run can strike at each. */
export async function crashRun(scenario: Scenario, storage: WorldStorage, fault?: FaultPoint): Promise<RunReport> {
  const world = new CrashWorld(storage);
  try {
    return await crashRunIn(world, scenario, fault);
  } finally {
    world.dispose();
  }
}

async function crashRunIn(world: CrashWorld, scenario: Scenario, fault: FaultPoint | undefined): Promise<RunReport> {
  const planOf = (role: FaultPoint['role']): FaultPlan => (fault?.role === role ? new FaultPlan(fault.kind, fault.at) : new FaultPlan());
  const producers = planOf('producer');
  const consumers = planOf('consumer');
  const { observer } = world;
  observer.listen({ onEnded: (ended) => world.ended.push(...ended.map(({ id, record }) => ({ id, record }))) });
  await observer.watch(Object.keys(scenario.ends));

  const producer = await world.app(producers);
  const produce = scenario.module(producer, world);
  await Promise.race([produce(), producer.line.died]);
  await world.advance(scenario.consumerLateMs ?? 0);
  const lives = await consumeUntilQuiet(scenario, world, consumers);

  await keepsPromises(scenario, world, { producerDied: producer.line.dead, fault, lives });
  return { producerCalls: producers.calls, consumerCalls: consumers.calls, struck: producers.struck || consumers.struck };
}

/** Starts a consumer again whenever it died. Gives how many lives it took. */
async function consumeUntilQuiet(scenario: Scenario, world: CrashWorld, plan: FaultPlan): Promise<number> {
  let lives = 0;
  let app: App | undefined;
  let consumer: ModelConsumer | undefined;
  const faults: string[] = [];
  try {
    for (let step = 0; step < STEPS_MAX; step++) {
      if (app === undefined || consumer === undefined || app.line.dead) {
        consumer?.end();
        app = await world.app(plan);
        scenario.module(app, world);
        consumer = new ModelConsumer(app, world.leaseMs);
        lives++;
        await Promise.race([consumer.start(), app.line.died]);
      }
      await calm(app, consumer, world);
      faults.push(...consumer.faults);
      assert.deepEqual(faults, [], 'no consumer is stopped by what the storage says');
      if (!app.line.dead && step >= (scenario.beats ?? 0) && (await isQuiet(world))) return lives;
      await world.advance(world.leaseMs / BEATS_PER_LEASE);
      const { line } = app;
      const living = async (one: App, it: ModelConsumer): Promise<void> => {
        await it.live();
        await scenario.beat?.(one, world);
      };
      await Promise.race([living(app, consumer), line.died]);
    }
    throw new Error(`it is not quiet after ${STEPS_MAX} steps: ${JSON.stringify(await world.observer.counts())}`);
  } finally {
    consumer?.end();
  }
}

/** Nothing waits, runs, or is held by somebody who is dead. */
async function isQuiet({ observer }: CrashWorld): Promise<boolean> {
  const { ready, scheduled, running, consumers } = await observer.counts();
  return ready + scheduled + running === 0 && consumers <= 1;
}

/** Until the consumer has done what there is to do now, or is dead. What only a heartbeat can mend is left to that. */
async function calm(app: App, consumer: ModelConsumer, { observer }: CrashWorld): Promise<void> {
  const givesUpAt = performance.now() + CALM_MAX_MS;
  for (let calmTurns = 0; calmTurns < CALM_TURNS && performance.now() < givesUpAt;) {
    await turn();
    if (app.line.dead) return;
    const [{ ready }, held] = await Promise.all([observer.counts(), observer.heldIds(consumer.id)]);
    calmTurns = consumer.idle && ready === 0 && held.length === 0 ? calmTurns + 1 : 0;
  }
}

async function keepsPromises(
  scenario: Scenario,
  world: CrashWorld,
  { producerDied, fault, lives }: { producerDied: boolean; fault: FaultPoint | undefined; lives: number },
): Promise<void> {
  const ids = Object.keys(scenario.ends);
  const records = await world.observer.readResults(ids);
  const stored = ids.filter((_, i) => records[i] !== undefined);
  const states = Object.fromEntries(ids.map((id, i) => [id, records[i]?.state]));

  // G2: what was acknowledged ends, as it should. G1: what was not is there whole or not at all.
  for (const id of producerDied ? stored : ids) {
    const allowed = [scenario.ends[id], ...(producerDied ? [scenario.endsHalfway?.[id]] : [])];
    assert.ok(allowed.includes(states[id]), `${id} ended as ${String(states[id])}, not as ${allowed.join(' or ')}`);
  }
  if (producerDied && scenario.manyCalls !== true) {
    assert.ok(stored.length === 0 || stored.length === ids.length, `of one call only this was stored: ${stored.join(', ')}`);
  }
  // G4: one end each.
  for (const id of stored) {
    const told = world.ended.filter((end) => end.id === id).map(({ record }) => record?.state);
    assert.ok(told.length <= (scenario.told?.[id] ?? 1) && told.every((state) => state === states[id]), `${id} ended ${told.join(', ')}`);
  }
  // No stage, callback, handler or tick that is a second one.
  const strangers = new Set(world.runs.map(({ id }) => id).filter((id) => !ids.includes(id)));
  assert.equal(strangers.size, scenario.strangers ?? 0, `what ran and was not called: ${[...strangers].join(', ')}`);
  const { dead, ...counts } = await world.observer.counts();
  assert.deepEqual({ ...counts, consumers: 0 }, { ready: 0, scheduled: 0, running: 0, consumers: 0 });
  assert.equal(dead, stored.filter((id) => states[id] === 'dead').length, 'what is dead is kept, and nothing else');

  // G3: it runs again only where somebody died.
  const crashes = lives - 1;
  for (const id of stored) {
    const runs = world.runsOf(id);
    const expected = scenario.runs?.[id] ?? (['done', 'failed'].includes(states[id] ?? '') ? 1 : 0);
    const extra = fault === undefined || !fault.kind.startsWith('crash') || fault.role === 'producer' ? 0 : 1;
    const shown = JSON.stringify(runs);
    // A suspect that was held when the process died of something else is charged with that.
    const least = crashes > 0 && states[id] === 'dead' ? expected - extra : expected;
    if (!producerDied) assert.ok(runs.length >= least, `${id} ran ${runs.length} times and not ${expected}: ${shown}`);
    assert.ok(runs.length <= expected + extra, `${id} ran ${runs.length} times, ${crashes} crashes: ${shown}`);
    // Attempts only grow, and a death spends no retry.
    for (const [i, run] of runs.entries()) {
      const before = runs[i - 1];
      if (before === undefined) continue;
      assert.ok(run.attempt >= before.attempt && run.retries <= before.retries, `attempts of ${id}: ${shown}`);
    }
  }
  await scenario.check?.(world, producerDied);
}
