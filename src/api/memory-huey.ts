/** A queue in the memory of this thread, for tests. Hueys of one name share it. */
import type { HueyOptions } from './huey-options.js';
import { Huey } from './huey.js';

export class MemoryHuey extends Huey {
  constructor(name: string, options: HueyOptions = {}) {
    super(name, { kind: 'memory' }, options);
  }
}
