/** What locks and rate limits have in common: they go around a function. */
import { ConfigurationError, type TaskErrorMetadata } from '../runtime/errors.js';
import { NAME_MAX_CHARS } from '../runtime/limits.js';
import type { RunInfo } from './context.js';

export interface Around {
  run<T>(fn: () => T): Promise<Awaited<T>>;
  wrap<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => Promise<Awaited<R>>;
}

/** Gives `wrapper` the name and the number of parameters of `fn`: a task is declared under the function's own name. */
export function named<W extends CallableFunction>(fn: CallableFunction, wrapper: W): W {
  Object.defineProperty(wrapper, 'name', { value: fn.name, configurable: true });
  Object.defineProperty(wrapper, 'length', { value: fn.length, configurable: true });
  return wrapper;
}

/** Of the task that was refused something; outside a task there is none. */
export function refusalMetadata(run: RunInfo | undefined): Omit<TaskErrorMetadata, 'error'> {
  return { retries: run?.retries ?? 0, taskId: run?.id ?? '', willRetry: (run?.retries ?? 0) > 0 };
}

/** @throws ConfigurationError */
export function checkAroundName(name: unknown, what: string): string {
  if (typeof name === 'string' && name !== '' && name.length <= NAME_MAX_CHARS) return name;
  throw new ConfigurationError(`the name of ${what} is a text of 1 to ${NAME_MAX_CHARS} characters`, 'bad-name');
}
