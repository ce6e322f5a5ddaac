/** Calls a task whose results are off. */
// shout.js
import { ResultsDisabled } from 'huey-runtime';
import { shout } from './quiet.js';

const res = await shout('beans');
try {
  await res();
} catch (error) {
  if (!(error instanceof ResultsDisabled)) throw error;
  console.log(error.message);
}
