/** Results: a call gives a handle, the handle gives the value. */
// results.js
import { countBeans } from './tasks.js';

const res = await countBeans(100); // a handle: Result <countBeans mb1x2k9c7f3k0q2z00a>

console.log(await res({ blocking: true })); // waits until it is there
console.log(await res()); // the handle keeps what it has read
