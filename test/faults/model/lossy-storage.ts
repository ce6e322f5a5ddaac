/**
 * A storage as one process sees it, with one fault at one of its calls:
 *
 *     crash before    the process dies before the call is made
 *     crash after     the call is carried out, and the process dies before it learns of it
 *     request lost    the call fails, nothing was done; the process lives
 *     reply lost      the call is carried out and fails all the same; the process lives
 *
 * A process that died makes no further call: whatever it still asks for is never answered.
 */
import { StorageUnavailable } from '../../../src/runtime/errors.js';
import type { Storage } from '../../../src/runtime/storage.js';

export const FAULT_KINDS = ['crash before', 'crash after', 'request lost', 'reply lost'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What may go wrong in all lives of one role, a producer's or a consumer's: its calls are counted through. */
export class FaultPlan {
  readonly #at: number;
  readonly #kind: FaultKind | undefined;
  /** The names of the calls that were made, in order. */
  readonly calls: string[] = [];
  /** The fault has happened. */
  struck = false;

  /** `at` counts from 1. */
  constructor(kind?: FaultKind, at = 0) {
    this.#kind = kind;
    this.#at = at;
  }

  /** What happens to this call. */
  next(method: string): FaultKind | undefined {
    this.calls.push(method);
    if (this.calls.length !== this.#at) return undefined;
    this.struck = true;
    return this.#kind;
  }
}

/** What makes no call: it only listens, or ends a wait. */
const SILENT: ReadonlySet<string> = new Set(['listen', 'unwatch', 'interrupt', 'close']);

export class LossyStorage {
  /** For the process. */
  readonly storage: Storage;
  /** Resolves when the process dies. */
  readonly died: Promise<void>;
  readonly #plan: FaultPlan;
  #dead = false;
  #disposed = false;
  #die: () => void = () => undefined;
  /** Calls without an answer yet, waits for work not among them. */
  #open = 0;
  /** Who waits for an answer that does not come. */
  readonly #waiting = new Set<(error: Error) => void>();

  /** `inner` is this process's own. */
  constructor(inner: Storage, plan: FaultPlan) {
    this.#plan = plan;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
    this.storage = new Proxy(inner, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
        if (SILENT.has(String(name))) return call;
        return (...args: unknown[]) => this.#call(String(name), () => call(...args));
      },
    });
  }

  get dead(): boolean {
    return this.#dead;
  }

  get busy(): boolean {
    return this.#open > 0;
  }

  /** SIGKILL, as far as the storage can tell. */
  crash(): void {
    this.#dead = true;
    this.#die();
    // A wait that nobody hears would go on leasing.
    this.storage.interrupt();
    void this.storage.close();
  }

  /** When the test is over: lets go of everything that the dead process waits for, timers and all. */
  dispose(): void {
    this.crash();
    this.#disposed = true;
    for (const reject of this.#waiting) reject(gone());
  }

  async #call(method: string, call: () => unknown): Promise<unknown> {
    if (this.#dead) return this.#never();
    const fault = this.#plan.next(method);
    if (fault === 'crash before') {
      this.crash();
      return this.#never();
    }
    if (fault === 'request lost') throw new StorageUnavailable(`the connection was lost before ${method}`);
    const weight = method === 'waitAndStep' ? 0 : 1;
    this.#open += weight;
    try {
      const reply = await call();
      if (fault === 'crash after') this.crash();
      if (this.#dead) return await this.#never();
      if (fault === 'reply lost') throw new StorageUnavailable(`the reply of ${method} was lost`, { outcomeUnknown: true });
      return reply;
    } catch (error) {
      if (this.#dead) return await this.#never();
      throw error;
    } finally {
      this.#open -= weight;
    }
  }

  #never(): Promise<never> {
    return new Promise((_, reject) => {
      if (this.#disposed) reject(gone());
      else this.#waiting.add(reject);
    });
  }
}

function gone(): Error {
  return new Error('this process is gone');
}
