/**
 * The threads: the only file that knows Piscina. One long run per thread; ending a run by its signal ends the thread,
 * and Piscina starts another in its place.
 */
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { threadArguments } from '../runtime/thread-arguments.js';
import type { SessionStart } from './protocol.js';

export interface PoolOptions {
  /** For the threads alone, such as ['--import', 'tsx']. */
  execArgv?: readonly string[];
  /** Of the old generation of each thread's heap; undefined: as node has it. */
  maxMemoryMib?: number | undefined;
  /** An error of a thread that no run was waiting for. */
  onError: (error: Error) => void;
}

/** How many threads there are is decided by whoever asks for runs; this only bounds it. */
const THREADS_MAX = 2048;

export class ThreadPool {
  readonly #piscina: Piscina;

  constructor({ execArgv = [], maxMemoryMib, onError }: PoolOptions) {
    const isPlain = execArgv.length === 0 && maxMemoryMib === undefined;
    this.#piscina = (isPlain ? takeWarm() : undefined) ?? makePiscina(execArgv, maxMemoryMib);
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

let warm: Piscina | undefined;

/**
 * Starts the first thread of the next pool. The command calls it before it reads its own arguments: on another core the
 * thread is up by the time that they are read.
 */
export function warmThread(): void {
  warm ??= makePiscina([]);
}

function takeWarm(): Piscina | undefined {
  const piscina = warm;
  warm = undefined;
  return piscina;
}

function makePiscina(execArgv: readonly string[], maxMemoryMib?: number): Piscina {
  return new Piscina({
    filename: new URL('./worker-entry.cjs', import.meta.url).href,
    // One is always up ahead; the others start when their run is asked for.
    minThreads: 1,
    maxThreads: THREADS_MAX,
    idleTimeout: 0,
    concurrentTasksPerWorker: 1,
    // The default parks an idle thread in Atomics.wait, where its timers and sockets get no turn.
    atomics: 'disabled',
    recordTiming: false,
    ...(maxMemoryMib === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: maxMemoryMib } }),
    ...threadArguments(execArgv),
  });
}
