/** Skips every run of a periodic task, until it is restored. */
// pause.js
import { printTime } from './tasks.js';

await printTime.revoke();
console.log(await printTime.isRevoked());
