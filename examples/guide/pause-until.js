/** Skips the runs of ten minutes. */
// pause-until.js
import { printTime } from './tasks.js';

await printTime.revoke({ revokeUntil: new Date(Date.now() + 600_000) });
