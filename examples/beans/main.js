/** The producer: calls tasks and reads what came of them. It ends by itself. */
import { TaskException } from 'huey-runtime';
import { countBeans, tryThrice } from './tasks.js';

// For the case that no consumer runs.
const PATIENCE_SECONDS = 30;

const soon = await countBeans(100);
console.log(`enqueued countBeans(100) as ${soon.id}`);
const later = await countBeans.schedule({ args: [200], delay: 1.5 });
console.log('scheduled countBeans(200) to run in 1.5 s');
const never = await tryThrice();
console.log('enqueued tryThrice(), which fails three times');

console.log(`the value now, without waiting: ${await soon.get()}`);
console.log(`the value, when it is there:    ${await value(soon)}`);
console.log(`the scheduled one:              ${await value(later)}`);
try {
  await value(never);
  throw new Error('tryThrice was meant to fail');
} catch (error) {
  if (!(error instanceof TaskException)) throw error;
  console.log(`tryThrice failed as it should:  ${error.metadata.error}`);
}

const many = await countBeans.map([1, 2, 3]);
console.log(`three in one call:              ${(await Promise.all(many.map(value))).join(', ')}`);

/**
 * @template T
 * @param {import('huey-runtime').Result<T>} result
 */
function value(result) {
  return result.get({ blocking: true, timeout: PATIENCE_SECONDS });
}
