/**
 * Locks: at most one holder of a name in a queue. Taken or refused at once, never waited for; not reentrant. In a task
 * the holder is the run, and the lock ends with it, whoever ended it; elsewhere the holder is this process, which renews
 * its lease. A lock is no fence against a run that was taken for dead and goes on.
 */
import { HueyException, LockUnavailable } from '../runtime/errors.js';
import { BEATS_PER_LEASE, LEASE_MS } from '../runtime/limits.js';
import type { LockOwner } from '../runtime/storage.js';
import { checkAroundName, named, refusalMetadata, type Around } from './around.js';
import type { Client } from './client.js';
import { currentRun, type RunInfo } from './context.js';

/** A lock that is held, until it is released or disposed of. */
export interface HeldLock extends AsyncDisposable {
  readonly name: string;
  /** True where it was still held. */
  release(): Promise<boolean>;
}

export class Lock implements Around {
  readonly name: string;
  readonly #client: Client;
  readonly #queue: string;

  /** `queue` is the one that the client works on. */
  constructor(client: Client, queue: string, name: string) {
    this.#client = client;
    this.#queue = queue;
    this.name = checkAroundName(name, 'a lock');
  }

  /** For `await using`. @throws LockUnavailable */
  async acquire(): Promise<HeldLock> {
    const token = process.getBuiltinModule('node:crypto').randomBytes(12).toString('base64url');
    const run = currentRun();
    const owner = ownerOf(token, run?.queue === this.#queue ? run : undefined);
    if (!(await this.#client.call((storage) => storage.acquireLock(this.name, owner)))) {
      throw new LockUnavailable(this.name, refusalMetadata(run));
    }
    return new Holding(this.#client, this.name, owner);
  }

  /** Holds the lock while `fn` runs. @throws LockUnavailable, and what `fn` throws. */
  async run<T>(fn: () => T): Promise<Awaited<T>> {
    await using _held = await this.acquire();
    return await fn();
  }

  /** The function that holds the lock while it runs, under its own name. Python: `@huey.lock_task(...)`. */
  wrap<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => Promise<Awaited<R>> {
    return named(fn, (...args: A) => this.run(() => fn(...args)));
  }

  /** Only looks. */
  isLocked(): Promise<boolean> {
    return this.#client.call((storage) => storage.isLocked(this.name));
  }

  /** Takes it away from whoever holds it. True where it was held. */
  async clear(): Promise<boolean> {
    return (await this.#client.call((storage) => storage.flushLocks([this.name]))).length > 0;
  }
}

class Holding implements HeldLock {
  readonly name: string;
  readonly #client: Client;
  readonly #owner: LockOwner;
  #timer: NodeJS.Timeout | undefined;
  #released: Promise<boolean> | undefined;

  constructor(client: Client, name: string, owner: LockOwner) {
    this.#client = client;
    this.name = name;
    this.#owner = owner;
    // The run's lock needs no renewal, and a process that has nothing else to do does not live for a lock.
    if (owner.leaseMs !== undefined) this.#timer = setInterval(() => void this.#renew(), owner.leaseMs / BEATS_PER_LEASE).unref();
  }

  release(): Promise<boolean> {
    clearInterval(this.#timer);
    return (this.#released ??= this.#client.call((storage) => storage.releaseLock(this.name, this.#owner.token)));
  }

  /** Where the storage is away, the lock ends with the run or its lease: no reason to lose what was done under it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => undefined);
  }

  async #renew(): Promise<void> {
    try {
      if (await this.#client.call((storage) => storage.extendLock(this.name, this.#owner.token, LEASE_MS))) return;
    } catch (error) {
      // Tried again at the next beat, unless this Huey was closed.
      if (!(error instanceof HueyException && error.code === 'closed')) return;
    }
    clearInterval(this.#timer);
    if (this.#released !== undefined) return;
    process.emitWarning(`the lock ${JSON.stringify(this.name)} was lost: it was cleared, or not renewed within ${LEASE_MS / 1000} s`, {
      type: 'HueyWarning',
      code: 'HUEY_LOCK_LOST',
    });
  }
}

function ownerOf(token: string, run: RunInfo | undefined): LockOwner {
  if (run === undefined) return { token, leaseMs: LEASE_MS };
  return { token, run: { consumer: run.consumer, id: run.id, run: run.run } };
}
