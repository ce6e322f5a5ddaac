/**
 * Huey: a queue and the tasks that belong to it. Making one opens no connection; the first call does. In a worker
 * thread of a consumer the same code gives a Huey that works through the supervisor's storage.
 */
import { checkQueueName, type ConnectionSpec } from '../runtime/connection.js';
import type { Crontab } from '../runtime/crontab.js';
import { ConfigurationError } from '../runtime/errors.js';
import { checkId } from '../runtime/ids.js';
import { checkName } from '../runtime/message.js';
import { PayloadCodec } from '../runtime/payload-codec.js';
import { Registry, type AnyFunction, type TaskDefinition } from '../runtime/registry.js';
import { workerContext, type HueyCore, type HueySettings } from '../runtime/worker-context.js';
import type { Chord } from './chord.js';
import type { ChordResult } from './chord-result.js';
import { Client } from './client.js';
import {
  splitContextOptions,
  withContext,
  type ContextTaskOptions,
  type Entered,
  type OpenContext,
  type TaskContext,
} from './context-task.js';
import { enqueue, enqueueSignatures } from './enqueue.js';
import type { Group } from './group.js';
import { Inspection } from './inspection.js';
import { hueySettings, type HueyOptions } from './huey-options.js';
import { markFrom, type RevokeOptions } from './marks.js';
import { booleanOption } from './option-check.js';
import type { Pipeline } from './pipeline.js';
import type { ResultGroup } from './result-group.js';
import { makeResult, type BlockingGetOptions, type GetOptions, type Result } from './result.js';
import type { Signature } from './signature.js';
import { openImmediate, openStorage } from './storage-door.js';
import { periodicSettings, taskSettings, type DeclaredSettings, type PeriodicTaskOptions, type TaskOptions } from './task-options.js';
import { makeTask, type ParametersOf, type Task, type TaskOf } from './task.js';

/** The handles of a list of signatures, each with the type of its result. */
export type ResultsOf<S extends readonly Signature[]> = { -readonly [K in keyof S]: S[K] extends Signature<infer R> ? Result<R> : never };

export class Huey extends Inspection implements HueyCore, AsyncDisposable {
  /** The queue. */
  readonly name: string;
  readonly connection: ConnectionSpec;
  readonly registry = new Registry();
  readonly settings: HueySettings;
  readonly codec: PayloadCodec;
  readonly #client: Client;

  /** @throws ConfigurationError */
  constructor(name: string, connection: ConnectionSpec, options: HueyOptions = {}) {
    const queue = checkQueueName(name);
    const { settings, serializer, enqueueWaitMs, immediate } = hueySettings(options, `Huey ${name}`);
    const codec = new PayloadCodec(queue, settings.payload, serializer);
    const client = new Client({ open: () => openStorage(queue, connection), settings, codec, enqueueWaitMs });
    super(client);
    this.name = queue;
    this.connection = connection;
    this.settings = settings;
    this.codec = codec;
    this.#client = client;
    workerContext()?.hueys.push(this);
    if (immediate) this.immediate = true;
  }

  /**
   * Declares a task. Its name is the option `name`, else the function's own. Huey: `@huey.task()`.
   * @throws ConfigurationError where the function has no name, or an option is unknown or out of range.
   */
  task<F extends CallableFunction>(fn: F): TaskOf<F>;
  task<F extends CallableFunction>(options: TaskOptions<ParametersOf<F>>, fn: F): TaskOf<F>;
  task(first: TaskOptions | AnyFunction, second?: AnyFunction): Task<unknown[], unknown> {
    const [options, fn] = typeof first === 'function' ? [{}, first] : [first, second];
    const name = taskName(options, fn);
    const { settings, ...rules } = taskSettings(options, `task ${name}`);
    return this.#declare({ name, fn: checkFunction(fn), settings }, rules);
  }

  /**
   * Declares a task that consumers run by a crontab, at most once a minute across all of them. It takes no arguments and
   * what it returns is discarded; it can be called by hand as well. Huey: `@huey.periodic_task(crontab(...))`.
   */
  periodicTask(crontab: Crontab, fn: () => unknown): Task<[], undefined>;
  periodicTask(crontab: Crontab, options: PeriodicTaskOptions, fn: () => unknown): Task<[], undefined>;
  periodicTask(crontab: Crontab, first: PeriodicTaskOptions | AnyFunction, second?: AnyFunction): Task<[], undefined> {
    const [options, fn] = typeof first === 'function' ? [{}, first] : [first, second];
    const name = taskName(options, fn);
    const checked = checkFunction(fn);
    if (checked.length > 0)
      throw new ConfigurationError(`the periodic task ${name} has parameters; nobody gives it arguments`, 'periodic-parameters');
    const { settings, catchUpMs, ...rules } = periodicSettings(options, `periodic task ${name}`);
    const { expression, zone } = checkCrontab(crontab, name);
    return this.#declare({ name, fn: checked, settings, periodic: { expression, zone, catchUpMs } }, rules) as unknown as Task<
      [],
      undefined
    >;
  }

  /**
   * Enqueues what `task.s(...)`, `pipe`, `group` and `chord` made. A signature gives its handle, a pipeline the handles of
   * its stages, a group those of its members, a chord all of them. Huey: `enqueue`.
   * @throws EnqueueFailed, PayloadError, ConfigurationError, UniqueConflict
   */
  enqueue<R>(signature: Signature<R>): Promise<Result<R>>;
  enqueue<Rs extends readonly unknown[]>(pipeline: Pipeline<Rs>): Promise<ResultGroup<Rs>>;
  enqueue<Values extends readonly unknown[]>(group: Group<Values>): Promise<ResultGroup<Values>>;
  enqueue<Values extends readonly unknown[], Rs extends readonly unknown[]>(chord: Chord<Values, Rs>): Promise<ChordResult<Values, Rs>>;
  enqueue(what: unknown): Promise<unknown> {
    return enqueue(this.#client, what);
  }

  /** Enqueues many calls in one bulk write (a long list in several), in this order. @throws as `enqueue` */
  async enqueueMany<const S extends readonly Signature[]>(signatures: S): Promise<ResultsOf<S>> {
    return (await enqueueSignatures(this.#client, signatures)) as ResultsOf<S>;
  }

  /** Reads the result of an invocation by its id, see `Result.get`. Huey: `result`. */
  result<T = unknown>(id: string, options: BlockingGetOptions): Promise<T>;
  result<T = unknown>(id: string, options?: GetOptions): Promise<T | undefined>;
  async result(id: string, options: GetOptions = {}): Promise<unknown> {
    return makeResult<unknown>(this.#client, checkId(id)).get(options);
  }

  /** Keeps an invocation from starting, until restored unless the options say otherwise. Huey: `revoke_by_id`. */
  async revokeById(id: string, options: RevokeOptions = {}): Promise<void> {
    await this.#client.revoke({ id: checkId(id) }, markFrom(options, false));
  }

  /** Removes the mark; true where there was one. Huey: `restore_by_id`. */
  async restoreById(id: string): Promise<boolean> {
    return this.#client.restore({ id: checkId(id) });
  }

  /** Stops an invocation, wherever it is, see `Result.cancel`. True where it will end as canceled. */
  async cancel(id: string): Promise<boolean> {
    return this.#client.cancel(checkId(id));
  }

  /** Whether an invocation is revoked by its id. Only looks. */
  async isRevoked(id: string): Promise<boolean> {
    return this.#client.isRevoked({ id: checkId(id) });
  }

  /**
   * Declares a task around which `open` opens something that is closed behind it: `contextTask(() => pool.connect(), fn)`.
   * With `asArgument: true` the function gets it first. Huey: `@huey.context_task(...)`.
   */
  contextTask<C extends TaskContext, A extends unknown[], R>(
    open: OpenContext<C>,
    options: ContextTaskOptions & { asArgument: true },
    fn: (context: Entered<C>, ...args: A) => R,
  ): Task<A, Awaited<R>>;
  contextTask<A extends unknown[], R>(
    open: OpenContext<TaskContext>,
    options: ContextTaskOptions & { asArgument?: false },
    fn: (...args: A) => R,
  ): Task<A, Awaited<R>>;
  contextTask<A extends unknown[], R>(open: OpenContext<TaskContext>, fn: (...args: A) => R): Task<A, Awaited<R>>;
  contextTask(open: OpenContext<TaskContext>, first: ContextTaskOptions | AnyFunction, second?: AnyFunction): Task<unknown[], unknown> {
    const [options, fn] = typeof first === 'function' ? [{}, first] : [first, second];
    const { asArgument, rest } = splitContextOptions(options);
    return this.task(rest, withContext(open, checkFunction(fn), asArgument));
  }

  /**
   * Immediate mode, for tests: each call runs where it is made, in the memory of this Huey, before its promise resolves.
   * Retries do not wait; what is scheduled waits for ever. Huey: `immediate`.
   */
  get immediate(): boolean {
    return this.#client.immediate;
  }

  set immediate(on: boolean) {
    if (booleanOption(on, 'immediate')) this.#client.startImmediate(() => openImmediate(this));
    else this.#client.stopImmediate();
  }

  /** Finishes what is under way, ends the waits for results, closes the connection. Calls after it are refused. */
  close(): Promise<void> {
    this.endEvents();
    return this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #declare(definition: TaskDefinition, rules: Omit<DeclaredSettings, 'settings'>): Task<unknown[], unknown> {
    // Development servers load modules twice. A consumer refuses duplicates by itself, with one error for all.
    if (this.registry.get(definition.name) !== undefined && workerContext() === undefined) {
      process.emitWarning(
        `the queue ${this.name} has a second task "${definition.name}"; it replaces the first, and a consumer will refuse it`,
        {
          type: 'HueyWarning',
          code: 'HUEY_DUPLICATE_TASK',
        },
      );
    }
    const task = makeTask<unknown[], unknown>({ client: this.#client, registry: this.registry, definition, ...rules });
    this.registry.add(definition);
    return task;
  }
}

function taskName(options: { name?: string }, fn: unknown): string {
  const name: unknown = options?.name ?? (typeof fn === 'function' ? fn.name : undefined);
  if (typeof name !== 'string' || name === '') {
    if (typeof fn !== 'function') throw notAFunction();
    throw new ConfigurationError(
      "a task needs a name: write task(async function sendMail() { ... }), or give { name: 'sendMail' }",
      'nameless-task',
    );
  }
  return checkName(name);
}

function checkFunction(fn: unknown): AnyFunction {
  if (typeof fn !== 'function') throw notAFunction();
  return fn as AnyFunction;
}

function notAFunction(): ConfigurationError {
  return new ConfigurationError(
    'a task is declared with a function, after its options: task({ retries: 3 }, function work() { ... })',
    'bad-task',
  );
}

function checkCrontab(crontab: Crontab, name: string): Crontab {
  // By shape, not by class: it may come from another copy of this package.
  if (typeof crontab === 'object' && crontab !== null && typeof crontab.expression === 'string') return crontab;
  throw new ConfigurationError(
    `the periodic task ${name} needs a crontab first: periodicTask(crontab({ minute: '0' }), function ${name}() { ... })`,
    'bad-crontab',
  );
}
