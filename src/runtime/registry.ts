/** Task name -> function and options, and the manifest: the same without functions, as data that can cross threads. */
import { ConfigurationError } from './errors.js';
import type { Slot } from './message.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the one place where functions of every shape meet
export type AnyFunction = (...args: any[]) => unknown;

/** Options of a task after validation; times in ms. */
export interface TaskSettings {
  retries: number;
  retryDelayMs: number;
  retryBackoff: number;
  priority: number;
  /** 0 = none. */
  timeoutMs: number;
  /** Between the abort signal of a timeout and the end of the thread. */
  graceMs: number;
  /** From the enqueue: a relative time (ms), or an instant; absent = never. */
  expires?: { afterMs: number } | { atMs: number };
  /** Absent: the Huey's. */
  resultTtlMs?: number;
  /** At most so many runs of it at once in one consumer; absent: no limit. */
  concurrency?: number;
  /** Has a thread for itself while it runs; absent: no. */
  exclusive?: boolean;
  /** What every call needs to be leased; absent: nothing, or what its arguments say. */
  slot?: Slot;
}

/** When a periodic task runs, as data. */
export interface PeriodicSettings {
  /** Five fields: minute hour day month day-of-week. */
  expression: string;
  /** IANA zone, 'local', or undefined: the consumer's. */
  zone: string | undefined;
  catchUpMs: number;
}

export interface TaskDefinition {
  name: string;
  fn: AnyFunction;
  settings: TaskSettings;
  periodic?: PeriodicSettings;
}

export type TaskManifest = Omit<TaskDefinition, 'fn'>;

export class Registry {
  readonly #definitions = new Map<string, TaskDefinition>();
  /** Names that were registered more than once, for the consumer to refuse. */
  readonly duplicates = new Set<string>();

  add(definition: TaskDefinition): void {
    if (this.#definitions.has(definition.name)) this.duplicates.add(definition.name);
    this.#definitions.set(definition.name, definition);
  }

  get(name: string): TaskDefinition | undefined {
    return this.#definitions.get(name);
  }

  delete(name: string): boolean {
    return this.#definitions.delete(name);
  }

  manifest(): TaskManifest[] {
    return [...this.#definitions.values()].map(({ fn: _, ...rest }) => rest);
  }

  /** A consumer runs one function per name. @throws ConfigurationError */
  checkUnique(): void {
    if (this.duplicates.size === 0) return;
    const names = [...this.duplicates].map((name) => `"${name}"`).join(', ');
    throw new ConfigurationError(`two tasks have the same name: ${names}; give one of them another with { name: '...' }`, 'duplicate-task');
  }
}
