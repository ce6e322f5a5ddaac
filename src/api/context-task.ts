/** `contextTask`: a task around which something is opened and closed again, as Python's `with` does. */
import { ConfigurationError } from '../runtime/errors.js';
import type { AnyFunction } from '../runtime/registry.js';
import { named } from './around.js';
import { booleanOption } from './option-check.js';
import type { TaskOptions } from './task-options.js';

/** What `open` gives: something to dispose of, or an object whose `enter` gives what the function is handed. */
export type TaskContext<C = unknown> = AsyncDisposable | Disposable | ContextManager<C>;

export interface ContextManager<C = unknown> {
  enter(): C;
  /** `error` is what the function threw, undefined where it returned. It is thrown on in any case. */
  exit(error: unknown): unknown;
}

export type OpenContext<C> = () => C | PromiseLike<C>;

/** What the function is handed with `asArgument: true`. */
export type Entered<C> = C extends ContextManager<infer E> ? Awaited<E> : C;

export interface ContextTaskOptions extends TaskOptions {
  /** True: the function gets the context as its first argument; callers do not give it. Default false. Huey: `as_argument`. */
  asArgument?: boolean;
}

/** Splits the options from those of the task, which checks its own. @throws ConfigurationError */
export function splitContextOptions(options: ContextTaskOptions): { asArgument: boolean; rest: TaskOptions } {
  if (typeof options !== 'object' || options === null) return { asArgument: false, rest: options };
  const { asArgument, ...rest } = options;
  return { asArgument: asArgument !== undefined && booleanOption(asArgument, 'asArgument'), rest };
}

/** The function with its context around it, under its own name. @throws ConfigurationError */
export function withContext(open: OpenContext<TaskContext>, fn: AnyFunction, asArgument: boolean): AnyFunction {
  if (typeof open !== 'function') {
    throw new ConfigurationError('contextTask needs a function first, which opens the context of each run', 'bad-context');
  }
  return named(fn, async (...args: unknown[]) => {
    const context = await open();
    if (isManager(context)) return underManager(context, (entered) => fn(...(asArgument ? [entered, ...args] : args)));
    await using _opened = disposable(context);
    return await fn(...(asArgument ? [context, ...args] : args));
  });
}

async function underManager(manager: ContextManager, run: (entered: unknown) => unknown): Promise<unknown> {
  const entered = await manager.enter();
  let value: unknown;
  try {
    value = await run(entered);
  } catch (error) {
    await manager.exit(error);
    throw error;
  }
  await manager.exit(undefined);
  return value;
}

function isManager(context: TaskContext): context is ContextManager {
  const { enter, exit } = (context ?? {}) as { enter?: unknown; exit?: unknown };
  return typeof enter === 'function' && typeof exit === 'function';
}

function disposable(context: AsyncDisposable | Disposable): AsyncDisposable | Disposable {
  if (typeof context === 'object' && context !== null && (Symbol.asyncDispose in context || Symbol.dispose in context)) return context;
  throw new ConfigurationError(
    'what contextTask opens must be disposable: give it [Symbol.asyncDispose], [Symbol.dispose], or enter and exit',
    'bad-context',
  );
}
