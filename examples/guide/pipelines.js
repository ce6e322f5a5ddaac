/** Calls one after the other, each given what the one before returned. */
// pipelines.js
import { chord, group } from 'huey-runtime';
import { huey } from './config.js';
import { add, fib, stateful, sum } from './tasks.js';

const result = await add(1, 2);
console.log(await result({ blocking: true }));

// Is the same as:
const same = await huey.enqueue(add.s(1, 2));
console.log(await same({ blocking: true }));

const pipeline = add
  .s(1, 2)
  .pipe(add, 3) // add(3, 3), for the one before returned 3
  .pipe(add, 4)
  .pipe(add, 5);
const results = await huey.enqueue(pipeline);
console.log(await results.get({ blocking: true }));

const fibs = await huey.enqueue(fib.s(1).pipe(fib).pipe(fib));
console.log(await fibs.get({ blocking: true }));

const states = await huey.enqueue(stateful.s().pipe(stateful).pipe(stateful));
console.log(await states.get({ blocking: true }));

const sideBySide = await huey.enqueue(group([add.s(1, 2), add.s(3, 4)]));
console.log(await sideBySide.get({ blocking: true }));

const together = await huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], sum));
console.log(await together.get({ blocking: true }));
