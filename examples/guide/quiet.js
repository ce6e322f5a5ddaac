/** A queue without results. */
// quiet.js
import { createHuey } from 'huey-runtime';

export const quiet = createHuey('quiet', { results: false });

export const shout = quiet.task(function shout(word) {
  console.log(`${word.toUpperCase()}!`);
  return word; // nobody will read it
});
