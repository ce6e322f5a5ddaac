/** The crash points of a scenario: each call of each role, and each way in which it can go wrong. */
import { crashRun, type FaultPoint, type RunReport, type Scenario, type WorldStorage } from './crash-run.js';
import { FAULT_KINDS } from './lossy-storage.js';

export interface Struck {
  scenario: Scenario;
  point: FaultPoint;
  /** The call that it strikes, for people. */
  method: string;
}

/** Found by a run in which nothing goes wrong. */
export async function pointsOf(scenario: Scenario, storage: WorldStorage): Promise<Struck[]> {
  const calls = await crashRun(scenario, storage);
  const of = (role: FaultPoint['role'], methods: RunReport['producerCalls']): Struck[] =>
    FAULT_KINDS.flatMap((kind) => methods.map((method, i) => ({ scenario, point: { role, kind, at: i + 1 }, method })));
  return [...of('producer', calls.producerCalls), ...of('consumer', calls.consumerCalls)];
}

export interface PointsReport {
  /** Faults that did happen; in another order of events a call may not come. */
  struck: number;
  failures: string[];
}

/** Runs them, so many at once: most of a run is waiting. */
export async function strikeAll(all: readonly Struck[], open: () => Promise<WorldStorage>, atOnce: number): Promise<PointsReport> {
  const left = [...all];
  const report: PointsReport = { struck: 0, failures: [] };
  const walk = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { scenario, point, method } = next;
      try {
        if ((await crashRun(scenario, await open(), point)).struck) report.struck++;
      } catch (error) {
        const where = `${point.kind} at call ${point.at} of the ${point.role} (${method})`;
        report.failures.push(`${scenario.name}: ${where}: ${(error as Error).message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, walk));
  return report;
}
