/** Calls that are stopped while they run: because somebody asks for it, or because their time is over. */
// stop.js
import { setTimeout as sleep } from 'node:timers/promises';
import { huey } from './config.js';
import { countStars, spin, watchSky } from './tasks.js';

const stars = await countStars();
const sky = await watchSky();
await sleep(1_000); // both run by now

console.log(await stars.cancel());
console.log(await huey.cancel(sky.id)); // the same, where there is only the id

for (const res of [stars, sky, await spin()]) {
  const error = await res({ blocking: true }).catch((reason) => reason);
  console.log(error.name);
}
