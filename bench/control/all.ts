/** The control scenarios by name, in the order in which they run. */
import type { Bench } from '../bench.js';
import type { Scenario } from '../rounds.js';
import { cancel } from './cancels.js';
import { deadline } from './deadlines.js';
import { death } from './deaths.js';
import { loopDelay } from './loop-delay.js';
import type { ControlOptions } from './options.js';
import { reload } from './reloads.js';
import { terminations } from './terminations.js';

export const CONTROL_SCENARIOS: Record<string, (bench: Bench, options: ControlOptions) => Scenario> = {
  deadline,
  cancel,
  death,
  terminations,
  reload,
  'loop-delay': loopDelay,
};
