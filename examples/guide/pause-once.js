/** Skips the next run of a periodic task. */
// pause-once.js
import { printTime } from './tasks.js';

await printTime.revoke({ revokeOnce: true });
