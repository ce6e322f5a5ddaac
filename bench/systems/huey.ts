/** huey-runtime as a producer or a consumer, on whatever HUEY_URL names. */
import { createLogger, createSupervisor, type CreateSupervisorOptions, type SupervisorHandle } from '../../src/actors/index.js';
import type { TaskName } from './protocol.js';
import { huey, tasks } from './huey-tasks.js';
import { flood, inBulk, inFlight, pace } from './paced.js';
import { serve } from './serve.js';

const FILL_BATCH = 10_000;
/** A result that takes longer is an error of the run. */
const RESULT_WAIT_SECONDS = 60;

let supervisor: SupervisorHandle | undefined;

serve({
  async fill({ task, n, alike, spins, dueAtMs, more }) {
    const bound = dueAtMs === undefined ? tasks[task] : tasks[task].withOptions({ eta: new Date(dueAtMs) });
    await inBulk(
      n,
      FILL_BATCH,
      async (list) => {
        const items = list.map((data) => (spins === undefined ? { ...data, ...more } : { ...data, ...more, spins }));
        await huey.enqueueMany(items.map((data) => bound.s(data)));
      },
      alike,
    );
  },

  async enqueue({ n, mode, size }) {
    const rate = (count: number): Promise<number> =>
      mode === 'bulk' ? inBulk(count, size, (list) => tasks.noop.map(list)) : inFlight(count, size, (i) => tasks.noop({ n: i }));
    return rate(n);
  },

  async consume({ workers, concurrency }) {
    const options: CreateSupervisorOptions & { concurrency?: number } = {
      module: new URL('./huey-tasks.js', import.meta.url),
      workers,
      inline: true,
      logger: createLogger({ level: 'warn', format: 'text', write: (line) => process.stderr.write(line) }),
    };
    if (concurrency > 1) options.concurrency = concurrency;
    supervisor = createSupervisor(options);
    await supervisor.start();
  },

  async pace(options) {
    const task: TaskName = options.task;
    return pace(options, async (list) => {
      const [only] = list;
      const results = list.length === 1 && only !== undefined ? [await tasks[task](only)] : await tasks[task].map(list);
      return results.map((result) => ({ value: () => result.get({ blocking: true, timeout: RESULT_WAIT_SECONDS }) }));
    });
  },

  async flood({ ms, batch, inFlight: size }) {
    return flood(ms, batch, size, (list) => tasks.noop.map(list));
  },

  async stop() {
    await supervisor?.stop();
    await huey.close();
  },
});
