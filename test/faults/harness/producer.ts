/**
 * A producer as a process of its own, to be killed in mid-call. Its argument is JSON: `{ prefix, n, ms }`. It enqueues
 * `work(ms)` with the ids PREFIX-0, PREFIX-1, ... one after the other, and writes two lines for each: `call ID` before,
 * `stored ID` once the call has resolved.
 */
import { writeSync } from 'node:fs';
import { huey, work } from './tasks.js';

const { prefix, n, ms } = JSON.parse(process.argv[2] ?? '{}') as { prefix: string; n: number; ms: number };
for (let i = 0; i < n; i++) {
  const id = `${prefix}-${i}`;
  // Synchronous: what was acknowledged has been said, however soon the process is killed.
  writeSync(1, `call ${id}\n`);
  await work.withOptions({ id })(ms);
  writeSync(1, `stored ${id}\n`);
}
await huey.close();
