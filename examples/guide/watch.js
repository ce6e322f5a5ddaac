/** Shows what the consumers do, until a backup has ended. */
// watch.js
import { huey } from './config.js';

const events = huey.events();
await events.listening;
console.log('watching');
for await (const { status, task } of events) {
  console.log(`${status} ${task}`);
  if (status === 'finished' && task === 'restoreBackup') break;
}
await huey.close();
