/**
 * The threads: the only file that knows Piscina. One long run per thread; ending a run by its signal ends the thread,
 * and Piscina starts another in its place.
 */
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { threadArguments } from '../runtime/thread-arguments.js';
import type { SessionStart } from './protocol.js';

export interface PoolOptions {
  threads: number;
  /** For the threads alone, such as ['--import', 'tsx']. */
  execArgv?: readonly string[];
  /** An error of a thread that no run was waiting for. */
  onError: (error: Error) => void;
}

export class ThreadPool {
  readonly #piscina: Piscina;

  constructor({ threads, execArgv = [], onError }: PoolOptions) {
    this.#piscina = new Piscina({
      filename: new URL('./worker-entry.cjs', import.meta.url).href,
      // Threads start when their run is asked for: each is paid for only when it is wanted.
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: 0,
      concurrentTasksPerWorker: 1,
      // The default parks an idle thread in Atomics.wait, where its timers and sockets get no turn.
      atomics: 'disabled',
      recordTiming: false,
      execArgv: [...threadArguments(), ...execArgv],
    });
    // A timer that an ended task left behind may throw while no run is waited for; unheard, it would end the process.
    this.#piscina.on('error', onError);
  }

  /** Settles when the run has ended, and rejects where its thread died. */
  async run(start: SessionStart, transfer: MessagePort[], signal: AbortSignal): Promise<void> {
    await this.#piscina.run(start, { name: 'session', transferList: transfer, signal });
  }

  async destroy(): Promise<void> {
    await this.#piscina.destroy();
  }
}
