/** A queue in the memory of this thread, for tests. Hueys of one name share it. */
import { ConfigurationError } from '../runtime/errors.js';
import { setMemoryClock, type Clock } from '../runtime/storage/memory-clocks.js';
import type { HueyOptions } from './huey-options.js';
import { Huey } from './huey.js';

export interface MemoryHueyOptions extends HueyOptions {
  /**
   * The queue's clock, in ms since 1970, so that a test can move it: due dates, expiries, marks, rate limits and times to
   * live follow it. Timeouts of waiting calls do not. All Hueys of this name have it. Default Date.now.
   */
  clock?: () => number;
}

export class MemoryHuey extends Huey {
  /** @throws ConfigurationError */
  constructor(name: string, options: MemoryHueyOptions = {}) {
    const { clock, ...rest } = options;
    super(name, { kind: 'memory' }, rest);
    if (clock !== undefined) setMemoryClock(this.name, checkClock(clock));
  }
}

function checkClock(clock: unknown): Clock {
  if (typeof clock === 'function') return clock as Clock;
  throw new ConfigurationError('clock must be a function that gives ms since 1970', 'bad-option');
}
