/** A task that fails each time, and beans that are counted between its tries. */
// retries.js
import { setTimeout as sleep } from 'node:timers/promises';
import { TaskException } from 'huey-runtime';
import { countBeans, tryThrice } from './tasks.js';

const res = await tryThrice();
for (const num of [1, 2, 3]) {
  await sleep(5_000);
  await countBeans(num); // counted while the other one waits
  await sleep(5_000);
}

try {
  await res({ blocking: true });
} catch (error) {
  if (!(error instanceof TaskException)) throw error;
  console.log(error.message);
}
