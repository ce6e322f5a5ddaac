/**
 * What a module is told of its tasks (signals), and what it does around them (hooks). One for each Huey. Nothing here
 * costs anything where nothing is registered: `around` and `wants` are looked at first. Whatever a handler throws is
 * reported once through process.emitWarning; neither the task nor the other handlers feel it.
 */
import { CancelExecution, ConfigurationError } from '../runtime/errors.js';
import type { Message } from '../runtime/message.js';
import { SIGNALS, type AccountedTask, type SignalName, type SignalTask } from '../runtime/signals.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { EnqueueItem, EnqueueReply } from '../runtime/storage.js';
import type { HooksCore } from '../runtime/worker-context.js';
import { nearestName } from './option-check.js';

/** `error` comes with `error`, `retrying` and their like, where there was one. */
export type SignalHandler = (signal: SignalName, task: SignalTask, error?: unknown) => unknown;
/** @throws CancelExecution to keep the task from running; it ends as canceled. */
export type PreExecuteHook = (task: SignalTask) => unknown;
/** `error` is undefined where the task succeeded. */
export type PostExecuteHook = (task: AccountedTask, value: unknown, error: unknown) => unknown;
/** Runs in each thread. */
export type ThreadHook = () => unknown;

export class Hooks implements HooksCore {
  #around = false;
  readonly #handlers = new Map<SignalName, SignalHandler[]>();
  readonly #pre = new HookList<PreExecuteHook>('preExecute');
  readonly #post = new HookList<PostExecuteHook>('postExecute');
  readonly #startup = new HookList<ThreadHook>('onStartup');
  readonly #shutdown = new HookList<ThreadHook>('onShutdown');
  readonly #reported = new WeakSet<object>();

  get around(): boolean {
    return this.#around;
  }

  get hasPost(): boolean {
    return this.#post.hooks.length > 0;
  }

  /** Names, then the handler; without names it gets every signal. Gives the handler back. */
  signal<H extends SignalHandler>(...namesAndHandler: [...names: SignalName[], handler: H]): H {
    const handler = namesAndHandler.at(-1);
    if (typeof handler !== 'function') throw new ConfigurationError('signal needs a handler: a function, behind the names', 'bad-hook');
    const names = namesAndHandler.slice(0, -1) as SignalName[];
    for (const name of names) checkSignal(name);
    for (const name of new Set(names.length === 0 ? SIGNALS : names)) {
      const handlers = this.#handlers.get(name) ?? [];
      if (!handlers.includes(handler)) this.#handlers.set(name, [...handlers, handler]);
    }
    this.#look();
    return handler;
  }

  /** From these signals, or from all. True where it was connected to one of them. */
  disconnectSignal(handler: SignalHandler, ...signals: SignalName[]): boolean {
    let found = false;
    for (const name of signals.length === 0 ? SIGNALS : signals) {
      const handlers = this.#handlers.get(checkSignal(name));
      if (handlers?.includes(handler) !== true) continue;
      found = true;
      const rest = handlers.filter((other) => other !== handler);
      if (rest.length > 0) this.#handlers.set(name, rest);
      else this.#handlers.delete(name);
    }
    this.#look();
    return found;
  }

  preExecute<H extends PreExecuteHook>(hook: H, name?: string): H {
    this.#pre.add(hook, name);
    this.#look();
    return hook;
  }

  postExecute<H extends PostExecuteHook>(hook: H, name?: string): H {
    this.#post.add(hook, name);
    this.#look();
    return hook;
  }

  onStartup<H extends ThreadHook>(hook: H, name?: string): H {
    return this.#startup.add(hook, name);
  }

  onShutdown<H extends ThreadHook>(hook: H, name?: string): H {
    return this.#shutdown.add(hook, name);
  }

  /** By the name, or the function itself. True where there was one. */
  unregisterPreExecute(hook: string | PreExecuteHook): boolean {
    const found = this.#pre.remove(hook);
    this.#look();
    return found;
  }

  unregisterPostExecute(hook: string | PostExecuteHook): boolean {
    const found = this.#post.remove(hook);
    this.#look();
    return found;
  }

  unregisterOnStartup(hook: string | ThreadHook): boolean {
    return this.#startup.remove(hook);
  }

  unregisterOnShutdown(hook: string | ThreadHook): boolean {
    return this.#shutdown.remove(hook);
  }

  wanted(): SignalName[] {
    return SIGNALS.filter((name) => this.#handlers.has(name));
  }

  wants(signal: SignalName): boolean {
    return this.#handlers.has(signal);
  }

  emit(signal: SignalName, task: SignalTask, error?: unknown): void | Promise<void> {
    const handlers = this.#handlers.get(signal);
    if (handlers === undefined) return;
    return inOrder(
      handlers,
      (handler) => (error === undefined ? handler(signal, task) : handler(signal, task, error)),
      (thrown, handler) => this.#report(thrown, handler, `a handler of the signal "${signal}"`),
    );
  }

  /** `enqueued`, and `scheduled` for what is not due yet, in the producer. What kept out another is not told of. */
  emitEnqueued(items: readonly EnqueueItem[], { duplicates, conflicts }: EnqueueReply, codec: PayloadCodec): void | Promise<void> {
    if (!this.wants('enqueued') && !this.wants('scheduled')) return;
    const notStored = new Set([...duplicates, ...conflicts.map(({ index }) => index)]);
    return inOrder(
      items.filter((_, i) => !notStored.has(i)),
      (item) => this.#emitEnqueued(item, codec),
      (thrown) => this.#report(thrown, READING, 'the reading of a message for the signal "enqueued"'),
    );
  }

  /** `canceled`, of what had not started: in the process that canceled it. */
  emitCanceled(message: Message, codec: PayloadCodec): void | Promise<void> {
    if (!this.wants('canceled')) return;
    return inOrder(
      [message],
      ({ head, body }) => this.emit('canceled', { id: head.id, name: head.name, args: codec.decodeArgs(body.args), meta: body.meta ?? {} }),
      (thrown) => this.#report(thrown, READING, 'the reading of a message for the signal "canceled"'),
    );
  }

  runPre(task: SignalTask): void | Promise<void> {
    return inOrder(
      this.#pre.hooks,
      (hook) => hook(task),
      (thrown, hook) => {
        if (thrown instanceof CancelExecution) throw thrown;
        this.#report(thrown, hook, 'a preExecute hook');
      },
    );
  }

  runPost(task: AccountedTask, value: unknown, error: unknown): void | Promise<void> {
    return inOrder(
      this.#post.hooks,
      (hook) => hook(task, value, error),
      (thrown, hook) => this.#report(thrown, hook, 'a postExecute hook'),
    );
  }

  async runStartup(): Promise<void> {
    await this.#runThreadHooks(this.#startup, 'an onStartup hook');
  }

  async runShutdown(): Promise<void> {
    await this.#runThreadHooks(this.#shutdown, 'an onShutdown hook');
  }

  #emitEnqueued({ text, delayMs = 0, etaMs = 0 }: EnqueueItem, codec: PayloadCodec): void | Promise<void> {
    const { head, body } = codec.decodeMessage(text);
    const task: SignalTask = { id: head.id, name: head.name, args: codec.decodeArgs(body.args), meta: body.meta ?? {} };
    const told = this.emit('enqueued', task);
    if (delayMs === 0 && etaMs <= Date.now()) return told;
    return told instanceof Promise ? told.then(() => this.emit('scheduled', task)) : this.emit('scheduled', task);
  }

  async #runThreadHooks(list: HookList<ThreadHook>, what: string): Promise<void> {
    await inOrder(
      list.hooks,
      (hook) => hook(),
      (thrown, hook) => this.#report(thrown, hook, what),
    );
  }

  #look(): void {
    this.#around = this.#handlers.has('executing') || this.#pre.hooks.length > 0 || this.#post.hooks.length > 0;
  }

  /** Once for each function: what fails in one task fails in a thousand. */
  #report(thrown: unknown, hook: { name: string }, what: string): void {
    if (this.#reported.has(hook)) return;
    this.#reported.add(hook);
    const reason = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    process.emitWarning(
      `${what}${hook.name === '' ? '' : ` (${hook.name})`} failed; the tasks go on, further failures of it are not told: ${reason}`,
      {
        type: 'HueyWarning',
        code: 'HUEY_HOOK',
      },
    );
  }
}

/** Stands for a function that is not the module's. */
const READING = { name: '' };

/** Hooks of one kind, in the order of registration. One of a name that is there already takes its place. */
class HookList<H extends (...args: never[]) => unknown> {
  hooks: readonly H[] = [];
  readonly #kind: string;
  readonly #names = new Map<string, H>();

  constructor(kind: string) {
    this.#kind = kind;
  }

  add<F extends H>(hook: F, name?: string): F {
    if (typeof hook !== 'function') throw new ConfigurationError(`${this.#kind} needs a function`, 'bad-hook');
    if (name !== undefined && (typeof name !== 'string' || name === ''))
      throw new ConfigurationError(`the name of a ${this.#kind} hook must be a text`, 'bad-hook');
    const own = name ?? hook.name;
    if (own !== '') {
      const before = this.#names.get(own);
      this.#names.set(own, hook);
      if (before !== undefined) {
        this.hooks = this.hooks.map((other) => (other === before ? hook : other));
        return hook;
      }
    }
    this.hooks = [...this.hooks, hook];
    return hook;
  }

  remove(what: string | H): boolean {
    const hook = typeof what === 'string' ? this.#names.get(what) : what;
    if (hook === undefined || !this.hooks.includes(hook)) return false;
    this.hooks = this.hooks.filter((other) => other !== hook);
    for (const [name, other] of this.#names) if (other === hook) this.#names.delete(name);
    return true;
  }
}

/** One after the other; a promise only where one of them gave one. `failed` may throw to end it. */
function inOrder<H>(
  hooks: readonly H[],
  call: (hook: H) => unknown,
  failed: (thrown: unknown, hook: H) => void,
  from = 0,
): void | Promise<void> {
  for (let i = from; i < hooks.length; i++) {
    const hook = hooks[i] as H;
    try {
      const given = call(hook);
      if (!isThenable(given)) continue;
      return Promise.resolve(given)
        .then(undefined, (thrown: unknown) => failed(thrown, hook))
        .then(() => inOrder(hooks, call, failed, i + 1));
    } catch (thrown) {
      failed(thrown, hook);
    }
  }
}

function checkSignal(name: SignalName): SignalName {
  if (SIGNALS.includes(name)) return name;
  const nearest = nearestName(String(name), SIGNALS);
  throw new ConfigurationError(
    `no signal ${JSON.stringify(name)}; ${nearest === undefined ? `there are ${SIGNALS.join(', ')}` : `did you mean "${nearest}"?`}`,
    'bad-signal',
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
