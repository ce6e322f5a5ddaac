/** huey-runtime as a producer or a consumer of the control scenarios. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger, createSupervisor, type SupervisorHandle } from '../../src/actors/index.js';
import { HueyException } from '../../src/runtime/errors.js';
import { poll } from '../../test/support/poll.js';
import { inFlight } from '../systems/paced.js';
import { serve } from '../systems/serve.js';
import { readRuns } from './journal.js';
import type { Endings, Holdings } from './protocol.js';
import { SteadyLoad } from './steady-load.js';
import { brief, huey, loop, quick, stuck } from './tasks.js';

/** Whoever waits longer than this waits in vain. */
const WAIT = { blocking: true, timeout: 30 * 60 } as const;
/** A cancel comes so long after the start, by turns, so that it meets the supervisor's own rhythm at every point. */
const CANCEL_PAUSES_MS = [20, 27, 31, 38, 44, 53];

let supervisor: SupervisorHandle | undefined;
let load: SteadyLoad | undefined;

serve({
  async consume({ workers }) {
    supervisor = createSupervisor({
      module: new URL('./tasks.js', import.meta.url),
      workers,
      inline: true,
      logger: createLogger({ level: 'warn', format: 'text', write: (line) => process.stderr.write(line) }),
    });
    await supervisor.start();
  },

  async settle({ task, count, journal }) {
    const endless = task === 'loop' ? loop : brief;
    const results = await endless.map(Array.from({ length: count }, (_, n) => ({ n, journal })));
    const endings: Endings = {};
    await Promise.all(
      results.map(async (result) => {
        const ending = await endingOf(result.get(WAIT));
        endings[ending] = (endings[ending] ?? 0) + 1;
      }),
    );
    return endings;
  },

  async cancel({ count, atOnce, journal }) {
    const times: number[] = [];
    await inFlight(count, atOnce, async (n) => {
      const result = await stuck({ n, journal });
      await poll(`the start of ${n}`, () => readRuns(journal).some((run) => run.n === n));
      await sleep(CANCEL_PAUSES_MS[n % CANCEL_PAUSES_MS.length]);
      // Waiting before the cancel is called: what comes then has nothing to set up.
      const ended = endingOf(result.get(WAIT));
      const calledAtMs = performance.now();
      const [ending, willEnd] = await Promise.all([ended, result.cancel()]);
      times.push(performance.now() - calledAtMs);
      if (!willEnd || ending !== 'canceled') throw new Error(`a task that was canceled while it ran ended as ${ending}`);
    });
    return times;
  },

  async beginLoad({ perSecond, journal }) {
    // The journal tells when they ran: nobody waits for them one by one.
    load = new SteadyLoad(perSecond, (numbers) => quick.map(numbers.map((n) => ({ n, journal }))));
  },

  async endLoad() {
    if (load === undefined) throw new Error('no load was begun');
    return load.end();
  },

  async reload() {
    if (supervisor === undefined) throw new Error('there is no consumer to reload');
    await supervisor.reload();
  },

  async holdings() {
    return holdings();
  },

  async stop() {
    await supervisor?.stop();
    await huey.close();
  },
});

async function endingOf(value: Promise<unknown>): Promise<string> {
  try {
    await value;
    return 'done';
  } catch (error) {
    return error instanceof HueyException ? error.code : String(error);
  }
}

/** By node's own account of itself. It asks every thread, so none may be in a loop. */
function holdings(): Holdings {
  // Else it asks for the names of the addresses that sockets lead to; the types of this version of node do not know it.
  Object.assign(process.report, { excludeNetwork: true });
  const { libuv, workers } = process.report.getReport() as unknown as { libuv: { type: string }[]; workers: unknown[] };
  return {
    threads: workers.length,
    ports: libuv.filter(({ type }) => type === 'async').length,
    rssBytes: process.memoryUsage.rss(),
  };
}
