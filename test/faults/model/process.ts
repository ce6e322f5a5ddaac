/**
 * A producer and a consumer in this thread, of the real parts: calls, outbox, dispatcher, numbered steps, heartbeat,
 * task runner. Only threads and timers are missing: tasks run in process, and whoever drives it says when a heart beats.
 */
import { Dispatcher } from '../../../src/actors/dispatcher.js';
import { Heartbeat } from '../../../src/actors/heartbeat.js';
import { StepCalls } from '../../../src/actors/step-calls.js';
import { Client } from '../../../src/api/client.js';
import { enqueue } from '../../../src/api/enqueue.js';
import { Hooks } from '../../../src/api/hooks.js';
import { Lock } from '../../../src/api/lock.js';
import { makeTask, type Task } from '../../../src/api/task.js';
import { taskSettings, type TaskOptions } from '../../../src/api/task-options.js';
import { TaskRunner } from '../../../src/api/task-runner.js';
import { newConsumerId } from '../../../src/runtime/ids.js';
import { HOUR_MS, LEASE_MS, PROMOTE_BATCH } from '../../../src/runtime/limits.js';
import { PLAIN_CODEC } from '../../../src/runtime/payload-codec.js';
import { Registry } from '../../../src/runtime/registry.js';
import type { Storage } from '../../../src/runtime/storage.js';
import type { HueyCore, HueySettings } from '../../../src/runtime/worker-context.js';
import { InlinePlace } from './inline-place.js';
import { LossyStorage, type FaultPlan } from './lossy-storage.js';

export const QUEUE = 'q';
const SETTINGS: HueySettings = { results: true, storeNone: true, resultTtlMs: HOUR_MS };
const PLACES = 2;

/** One process: what its module declares is declared in each life anew. */
export class App {
  readonly line: LossyStorage;
  readonly client: Client;
  readonly huey: HueyCore;
  readonly #registry = new Registry();
  /** Ends the thread that runs the task of this id. */
  killThread: (id: string) => void = () => undefined;

  constructor(storage: Storage, plan: FaultPlan) {
    this.line = new LossyStorage(storage, plan);
    this.client = new Client({
      open: () => ({ storage: this.line.storage }),
      settings: SETTINGS,
      codec: PLAIN_CODEC,
      enqueueWaitMs: HOUR_MS,
    });
    this.huey = {
      name: QUEUE,
      connection: { kind: 'memory' },
      registry: this.#registry,
      settings: SETTINGS,
      hooks: new Hooks(),
      codec: PLAIN_CODEC,
    };
  }

  task<A extends unknown[], R>(name: string, options: TaskOptions<A>, fn: (...args: A) => R): Task<A, Awaited<R>> {
    const { settings, ...rules } = taskSettings(options as unknown as TaskOptions, name);
    const definition = { name, fn, settings };
    this.#registry.add(definition);
    return makeTask<A, Awaited<R>>({ client: this.client, registry: this.#registry, definition, ...rules });
  }

  lock(name: string): Lock {
    return new Lock(this.client, QUEUE, name);
  }

  async enqueue(what: unknown): Promise<void> {
    await enqueue(this.client, what);
  }
}

/** One life of a consumer. */
export class ModelConsumer {
  readonly id = newConsumerId();
  /** Why it could not go on, were it one. */
  readonly faults: string[] = [];
  /** Commits that were not its any more. */
  refused = 0;
  readonly #app: App;
  readonly #storage: Storage;
  readonly #leaseMs: number;
  readonly #dispatcher: Dispatcher;
  #heartbeat: Heartbeat | undefined;
  readonly #places = new Set<InlinePlace>();

  constructor(app: App, leaseMs = LEASE_MS) {
    this.#app = app;
    this.#leaseMs = leaseMs;
    this.#storage = app.line.storage;
    const { storage } = app.line;
    this.#dispatcher = new Dispatcher(
      new StepCalls(storage, this.id, () => undefined),
      () => storage.interrupt(),
      {
        resultTtlMs: HOUR_MS,
        graceMs: () => undefined,
        exclusive: new Set(),
        limits: new Map(),
        observe: () => false,
        signals: new Set(),
        intermediateErrors: false,
        codec: PLAIN_CODEC,
      },
      {
        onDecision: () => undefined,
        onDropped: () => undefined,
        onRefused: (count) => (this.refused += count),
        onSignals: () => undefined,
        onReaped: () => this.faults.push('it was taken for dead'),
        onFault: (error) => this.faults.push(error.message),
      },
    );
  }

  async start(): Promise<void> {
    const { now } = await insist(() => this.#storage.register(this.id, this.#leaseMs));
    this.#dispatcher.noteStorageTime(now);
    this.#heartbeat = new Heartbeat({
      storage: this.#storage,
      consumer: this.id,
      leaseMs: this.#leaseMs,
      heldIds: () => this.#dispatcher.heldIds(),
      onTime: (time) => this.#dispatcher.noteStorageTime(time),
      onCanceled: (ids) => this.#dispatcher.cancel(ids),
      onReloads: () => undefined,
      onLanding: () => this.#dispatcher.look(),
      onReapedOthers: () => this.#dispatcher.look(),
      onReleased: () => undefined,
      onReaped: () => this.faults.push('it was taken for dead'),
      onTrouble: () => undefined,
    });
    this.#app.killThread = (id) => {
      for (const place of this.#places) if (place.runs(id)) place.kill();
    };
    for (let n = 0; n < PLACES; n++) this.#addPlace();
  }

  /** What its heartbeat and its scheduler do as time goes by. */
  async live(): Promise<void> {
    await this.#heartbeat?.beat();
    await insist(() => this.#storage.promote(PROMOTE_BATCH));
  }

  /** It has nothing to do and no call under way. */
  get idle(): boolean {
    return !this.#app.line.busy && this.#dispatcher.heldIds().size === 0;
  }

  end(): void {
    this.#heartbeat?.end();
    this.#dispatcher.end();
    for (const place of this.#places) place.ready = false;
  }

  #addPlace(): void {
    const runner = new TaskRunner(this.#app.huey, { storage: this.#storage, consumer: this.id });
    const inline = new InlinePlace(runner, {
      onOutcome: (lane, slot, outcome) => this.#dispatcher.outcome(lane, slot, outcome),
      onChunkEnd: (place, lane) => this.#dispatcher.chunkEnded(place, lane),
      onGone: (place) => {
        this.#places.delete(inline);
        this.#dispatcher.placeGone(place, 'the thread died');
        this.#addPlace();
      },
    });
    this.#places.add(inline);
    this.#dispatcher.add(inline.place);
  }
}

/** Who is refused by a lost connection asks again, as the scheduler does at its next look. */
export async function insist<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch {
    return ask();
  }
}
