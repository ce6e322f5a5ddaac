/** A task that holds a lock, and others that find it held. */
// locking.js
import { setTimeout as sleep } from 'node:timers/promises';
import { TaskLocked } from 'huey-runtime';
import { huey } from './config.js';
import { backUp, restoreBackup } from './tasks.js';

const first = await backUp();
while (!(await huey.isLocked('db-backup'))) await sleep(10);

const second = await backUp(); // refused: it has no retries
const third = await restoreBackup(); // refused as well, and tried again
const error = await second({ blocking: true }).catch((reason) => reason);
console.log(error instanceof TaskLocked);
console.log(await first({ blocking: true }));
console.log(await third({ blocking: true }));
