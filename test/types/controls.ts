/** What must compile, and what must not, around tasks: signals, hooks, locks, limits, contexts. Never run: the type checker is the test. */
import { createHuey, type HueyEvent, type SignalName, type SignalTask, type Task } from '../../src/api/index.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** `is<T>()(value)` compiles where the value's type is exactly T. */
declare function is<T>(): <A>(value: A, ...proof: Equal<A, T> extends true ? [] : [never]) => void;

const huey = createHuey('types');

export function signals(): void {
  huey.signal('error', 'retrying', (signal, task, error) => {
    is<SignalName>()(signal);
    is<SignalTask>()(task);
    is<unknown>()(error);
  });
  const all = huey.signal((signal) => signal.length);
  huey.disconnectSignal(all, 'error');
  // Decorator-like: what is given comes back as it was.
  const pre = huey.preExecute(function pre(task) {
    is<SignalTask>()(task);
    return 5;
  });
  huey.unregisterPreExecute(pre);
  huey.postExecute((task, value, error) => [task.id, value, error], 'post');
  huey.unregisterPostExecute('post');
  huey.onStartup(async () => undefined);
  huey.onShutdown(() => undefined);

  // @ts-expect-error -- unknown signal
  huey.signal('finished', () => undefined);
  // @ts-expect-error -- no handler
  huey.signal('error');
  // @ts-expect-error -- the handler stands behind the names
  huey.signal(() => undefined, 'error');
  // @ts-expect-error -- a startup hook is given nothing
  huey.onStartup((task: SignalTask) => task.id);
}

export async function locks(): Promise<void> {
  const lock = huey.lockTask('report');
  const wrapped = huey.task(
    lock.wrap(function report(year: number) {
      return `${year}`;
    }),
  );
  is<Task<[year: number], string>>()(wrapped);
  const value = await lock.run(async () => 5);
  is<number>()(value);
  await using held = await lock.acquire();
  is<boolean>()(await held.release());
  const limited = huey.task(
    { retries: 1 },
    huey.rateLimit('api', { limit: 10, per: 60, retry: false }).wrap(async (id: string) => id.length),
  );
  is<Task<[id: string], number>>()(limited);

  // @ts-expect-error -- wrong argument
  await wrapped('2026');
  // @ts-expect-error -- no length of the window
  huey.rateLimit('api', { limit: 10 });
  // @ts-expect-error -- unknown option
  huey.rateLimit('api', { limit: 10, per: 60, every: 5 });
}

export async function watching(): Promise<void> {
  for await (const event of huey.events({ signal: AbortSignal.timeout(5) })) is<HueyEvent>()(event);
  huey.immediate = true;

  // @ts-expect-error -- unknown option
  huey.events({ until: 5 });
  // @ts-expect-error -- on or off
  huey.immediate = 'yes';
}

class Connection implements AsyncDisposable {
  async [Symbol.asyncDispose](): Promise<void> {}
  query(text: string): number {
    return text.length;
  }
}

export function contexts(): void {
  const plain = huey.contextTask(
    () => new Connection(),
    async function plain(n: number) {
      return n;
    },
  );
  is<Task<[n: number], number>>()(plain);
  const handed = huey.contextTask(
    async () => new Connection(),
    { asArgument: true, retries: 2 },
    function handed(connection, text: string) {
      is<Connection>()(connection);
      return connection.query(text);
    },
  );
  is<Task<[text: string], number>>()(handed);
  const managed = huey.contextTask(
    () => ({ enter: async () => 5, exit: () => undefined }),
    { asArgument: true },
    function managed(entered, text: string) {
      is<number>()(entered);
      return text;
    },
  );
  is<Task<[text: string], string>>()(managed);

  const five = (): number => 5;
  const open = (): Connection => new Connection();
  // @ts-expect-error -- nothing that could be closed
  huey.contextTask(five, function work() {});
  // @ts-expect-error -- unknown option
  huey.contextTask(open, { as_argument: true }, function work() {});
}
