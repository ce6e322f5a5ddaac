/** The tasks. This is the file that the consumer is given: huey-runtime --module tasks.js */
import { crontab, currentTask } from 'huey-runtime';
import { huey } from './config.js';

export const countBeans = huey.task(
  /** @param {number} num */
  async function countBeans(num) {
    console.log(`-- counted ${num} beans --`);
    return `Counted ${num} beans`;
  },
);

// Huey's guide waits 10 seconds between the tries; nobody who watches an example does.
export const tryThrice = huey.task({ retries: 2, retryDelay: 0.5 }, function tryThrice() {
  const { attempt } = currentTask();
  console.log(`-- try ${attempt} of 3 --`);
  throw new Error(`nope, not at try ${attempt} either`);
});

export const printTime = huey.periodicTask(crontab({ minute: '*' }), function printTime() {
  console.log(`-- it is ${new Date().toLocaleTimeString()} --`);
});
