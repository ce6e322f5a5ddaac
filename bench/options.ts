/** The command line of the benchmarks. A usage error is one line and exit code 2. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Names of scenarios; empty: all of them. */
  only: string[];
  /** Names of systems; empty: all of them. */
  systems: string[];
  rounds: number;
  /** Tasks of a drain. The other scenarios scale with it. */
  n: number;
  /** Of the peers; undefined: each at its best, found in a short first pass. */
  concurrency: number | undefined;
  quick: boolean;
  list: boolean;
  help: boolean;
  json: string | undefined;
  svg: string | undefined;
}

export class UsageError extends Error {}

export const N_DEFAULT = 100_000;
const N_QUICK = 2_000;
const N_MAX = 10_000_000;
const ROUNDS_DEFAULT = 5;
const ROUNDS_QUICK = 1;
const ROUNDS_MAX = 100;

export const HELP = `npm run bench -- [options]

  --only NAME[,NAME]      these scenarios (see --list)
  --systems NAME[,NAME]   these systems: huey-runtime, huey-sqlite, bullmq, bullmq-threads, bee-queue, bare, ...
  --rounds N              how often everything is run, interleaved; default ${ROUNDS_DEFAULT}, with --quick ${ROUNDS_QUICK}
  --n N                   tasks of a drain; the other scenarios scale with it; default ${N_DEFAULT}, with --quick ${N_QUICK}
  --concurrency N         of the other queues; default: each one's best of a first pass
  --quick                 little of everything: shows that it works, its figures say nothing
  --json FILE             results with every single run
  --svg FILE              a bar chart
  --list                  the scenarios
  --help`;

/** @throws UsageError */
export function parseOptions(argv: readonly string[], known: readonly string[]): BenchOptions {
  const values = read(argv);
  const quick = values.quick ?? false;
  const only = names(values.only);
  const stranger = only.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new UsageError(`there is no scenario "${stranger}"; there are ${known.join(', ')}`);
  return {
    only,
    systems: names(values.systems),
    rounds: whole('rounds', values.rounds, quick ? ROUNDS_QUICK : ROUNDS_DEFAULT, ROUNDS_MAX),
    n: whole('n', values.n, quick ? N_QUICK : N_DEFAULT, N_MAX),
    concurrency: values.concurrency === undefined ? undefined : whole('concurrency', values.concurrency, 1, 10_000),
    quick,
    list: values.list ?? false,
    help: values.help ?? false,
    json: values.json,
    svg: values.svg,
  };
}

function read(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string' },
        systems: { type: 'string' },
        rounds: { type: 'string' },
        n: { type: 'string' },
        concurrency: { type: 'string' },
        quick: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
        json: { type: 'string' },
        svg: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A list with commas; empty where nothing was given. */
export function names(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** @throws UsageError naming the option */
export function whole(name: string, text: string | undefined, fallback: number, most: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new UsageError(`--${name} must be a whole number from 1 to ${most}, and is "${text}"`);
  return value;
}
