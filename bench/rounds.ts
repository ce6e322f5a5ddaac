/** Rounds: every contestant once, then every contestant again (A B C A B C), so that what changes with time hits all. */
import { pairRatios, spreadOf, type Spread } from './statistics.js';

export interface Metric {
  name: string;
  unit: string;
  better: 'higher' | 'lower';
}

/** Metric name -> value, of one run. */
export type Figures = Record<string, number>;

export interface Contestant {
  name: string;
  label: string;
  /** Why it cannot take part. */
  unavailable?: string;
  run(): Promise<Figures>;
}

export interface Scenario {
  name: string;
  title: string;
  metrics: readonly Metric[];
  /** The first one is what the others are compared with. */
  contestants: readonly Contestant[];
}

export interface Measured {
  name: string;
  label: string;
  /** Why there are no figures. */
  unavailable?: string;
  /** What went wrong, by round. */
  errors: string[];
  /** Metric name -> its value in each round; undefined where the round failed. */
  runs: Record<string, (number | undefined)[]>;
  spreads: Record<string, Spread>;
  /** First contestant / this one, pair by pair. */
  ratios: Record<string, Spread>;
}

/** @param progress told before each run. */
export async function runRounds(
  scenario: Scenario,
  rounds: number,
  progress: (text: string) => void = () => undefined,
): Promise<Measured[]> {
  const measured = scenario.contestants.map(({ name, label, unavailable }): Measured => ({
    name,
    label,
    ...(unavailable === undefined ? {} : { unavailable }),
    errors: [],
    runs: Object.fromEntries(scenario.metrics.map((metric) => [metric.name, []])),
    spreads: {},
    ratios: {},
  }));
  for (let round = 1; round <= rounds; round++) {
    for (const [i, contestant] of scenario.contestants.entries()) {
      const mine = measured[i];
      if (mine === undefined || contestant.unavailable !== undefined) continue;
      progress(`${scenario.name}: round ${round} of ${rounds}, ${contestant.label}`);
      const figures = await contestant.run().catch((error: unknown) => {
        mine.errors.push(`round ${round}: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      });
      for (const { name } of scenario.metrics) mine.runs[name]?.push(figures?.[name]);
    }
  }
  for (const mine of measured) summarise(mine, measured[0], scenario.metrics);
  return measured;
}

function summarise(mine: Measured, first: Measured | undefined, metrics: readonly Metric[]): void {
  for (const { name } of metrics) {
    const runs = mine.runs[name] ?? [];
    const values = runs.filter((value) => value !== undefined);
    if (values.length > 0) mine.spreads[name] = spreadOf(values);
    const ratio = first === undefined || first === mine ? undefined : pairRatios(first.runs[name] ?? [], runs);
    if (ratio !== undefined) mine.ratios[name] = ratio;
  }
}
