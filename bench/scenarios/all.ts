/** Every scenario by its name, in the order in which they run. */
import type { Bench } from '../bench.js';
import type { BestConcurrency } from '../drain.js';
import type { Scenario } from '../rounds.js';
import { drainNoop, drainNoopThreads } from './drains.js';

type MakeScenario = (bench: Bench, best: BestConcurrency) => Scenario;

export const SCENARIOS: Record<string, MakeScenario> = {
  'drain-noop': drainNoop,
  'drain-noop-threads': drainNoopThreads,
};
