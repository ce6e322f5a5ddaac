/** Lets a periodic task run again. */
// resume.js
import { printTime } from './tasks.js';

await printTime.restore();
console.log(await printTime.isRevoked());
