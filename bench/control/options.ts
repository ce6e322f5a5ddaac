/** The command line of the control benchmarks. A usage error is one line and exit code 2. */
import { parseArgs } from 'node:util';
import { names, UsageError, whole } from '../options.js';

export interface ControlOptions {
  /** Names of scenarios; empty: all of them. */
  only: string[];
  /** Endless loops of `deadline`. Cancels and deaths scale with it. */
  n: number;
  terminations: number;
  /** False: huey-runtime alone, and nothing is installed. */
  peers: boolean;
  quick: boolean;
  help: boolean;
  json: string | undefined;
  markdown: string | undefined;
}

export const N_DEFAULT = 1000;
const N_QUICK = 20;
const N_MAX = 100_000;
const TERMINATIONS_DEFAULT = 1000;
const TERMINATIONS_QUICK = 20;

export const HELP = `npm run bench:control -- [options]

  --only NAME[,NAME]      these scenarios: SCENARIOS
  --n N                   endless loops of "deadline"; cancels and deaths scale with it; default ${N_DEFAULT}, with --quick ${N_QUICK}
  --terminations N        threads that are ended in "terminations"; default ${TERMINATIONS_DEFAULT}, with --quick ${TERMINATIONS_QUICK}
  --no-peers              huey-runtime alone
  --quick                 little of everything: shows that it works, its figures say nothing
  --json FILE             results
  --markdown FILE         results as tables
  --help`;

/** @throws UsageError */
export function parseControlOptions(argv: readonly string[], known: readonly string[]): ControlOptions {
  const values = read(argv);
  const quick = values.quick ?? false;
  const only = names(values.only);
  const stranger = only.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new UsageError(`there is no scenario "${stranger}"; there are ${known.join(', ')}`);
  return {
    only,
    n: whole('n', values.n, quick ? N_QUICK : N_DEFAULT, N_MAX),
    terminations: whole('terminations', values.terminations, quick ? TERMINATIONS_QUICK : TERMINATIONS_DEFAULT, N_MAX),
    peers: !(values['no-peers'] ?? false),
    quick,
    help: values.help ?? false,
    json: values.json,
    markdown: values.markdown,
  };
}

function read(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        only: { type: 'string' },
        n: { type: 'string' },
        terminations: { type: 'string' },
        'no-peers': { type: 'boolean' },
        quick: { type: 'boolean' },
        json: { type: 'string' },
        markdown: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
