/** Calls that start later. */
// schedule.js
import { countBeans } from './tasks.js';

const res = await countBeans.schedule({ args: [100], delay: 60 });
console.log(await res()); // there is nothing yet
console.log(await res({ blocking: true })); // so let us wait until it is there

const inAMinute = new Date(Date.now() + 60_000);
const atATime = await countBeans.schedule({ args: [200], eta: inAMinute });
console.log(await atATime({ blocking: true }));

const wallClock = new Date(Date.now() + 60_000).toISOString().replace('Z', ''); // without an offset
const inUtc = await countBeans.schedule({ args: [300], eta: wallClock, convertUtc: false });
console.log(await inUtc({ blocking: true }));
