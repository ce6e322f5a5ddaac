/** The tasks of the guide (docs/guide.md). This is the file that the consumer is given: huey-runtime tasks.js */
// tasks.js
import { setTimeout as sleep } from 'node:timers/promises';
import { crontab, currentTask, tuple } from 'huey-runtime';
import { huey } from './config.js'; // the huey that we made in config.js

export const countBeans = huey.task(function countBeans(num) {
  console.log(`-- counted ${num} beans --`);
  return `Counted ${num} beans`;
});

export const tryThrice = huey.task({ retries: 3, retryDelay: 10 }, function tryThrice() {
  console.log(`trying.... ${new Date().toISOString()}`);
  throw new Error('nope');
});

export const printTime = huey.periodicTask(crontab({ minute: '*' }), function printTime() {
  console.log(`the time is ${new Date().toISOString()}`);
});

export const add = huey.task(function add(a, b) {
  return a + b;
});

export const fib = huey.task(function fib(a, b = 1) {
  return tuple(a + b, a); // its elements are the arguments of the next stage
});

export const stateful = huey.task(function stateful({ v1, v2, v3 } = {}) {
  return {
    v1: v1 === undefined ? 0 : v1 + 1,
    v2: v2 === undefined ? 0 : v2 + 2,
    v3: v3 === undefined ? 0 : v3 + 3,
  };
});

export const sum = huey.task(function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
});

export const backUp = huey.task(
  huey.lockTask('db-backup').wrap(async function backUp() {
    console.log('-- backing up --');
    await sleep(3_000);
    return 'Backed up';
  }),
);

export const restoreBackup = huey.task({ retries: 10, retryDelay: 1 }, async function restoreBackup() {
  return huey.lockTask('db-backup').run(() => 'Restored');
});

export const countStars = huey.task(function countStars() {
  const { checkTimeout } = currentTask();
  for (let stars = 0; ; stars++) checkTimeout(); // throws once it is canceled or out of time
});

export const watchSky = huey.task(async function watchSky() {
  const { signal } = currentTask();
  await sleep(3_600_000, undefined, { signal }); // ends with the signal, as fetch and streams do
});

export const spin = huey.task({ timeout: 1, grace: 0.5 }, function spin() {
  console.log('-- spinning --');
  while (true); // listens to nothing
});

export const sendMail = huey.task(
  { concurrencyKey: (tenant) => `tenant:${tenant}`, concurrencyLimit: 1 },
  async function sendMail(tenant, to) {
    await sleep(200);
    return `${tenant}: sent to ${to}`;
  },
);
