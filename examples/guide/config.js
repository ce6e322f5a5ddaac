/** The queue: on what HUEY_URL names, else in an SQLite file of this project. */
// config.js
import { createHuey } from 'huey-runtime';

export const huey = createHuey('guide');
