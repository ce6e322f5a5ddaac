/** The module that consumers of huey-runtime load. */
import { createHuey } from '../../src/api/index.js';
import { QUEUE } from './protocol.js';
import * as work from './work.js';

export const huey = createHuey(QUEUE);
export const tasks = {
  noop: huey.task(work.noop),
  cpu: huey.task(work.cpu),
  wait: huey.task(work.wait),
  stamp: huey.task(work.stamp),
  burn: huey.task(work.burn),
  die: huey.task(work.die),
};
