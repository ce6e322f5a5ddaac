/** What must compile, and what must not. Never run: the type checker is the test. */
import { Duration, DateTime } from 'luxon';
import { createHuey, crontab, RedisHuey, tuple, type Result, type Signature, type Task } from '../../src/api/index.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** `is<T>()(value)` compiles where the value's type is exactly T. */
declare function is<T>(): <A>(value: A, ...proof: Equal<A, T> extends true ? [] : [never]) => void;

const huey = createHuey('types');
const countBeans = huey.task(async function countBeans(num: number) {
  return `Counted ${num} beans`;
});
const sendMail = huey.task(
  { name: 'mail.send', priority: 10, timeout: Duration.fromMillis(5), expires: 3600 },
  async (to: string, body?: string) => {
    return { to, length: body?.length ?? 0 };
  },
);
const beat = huey.task(function beat() {});
const find = huey.task((id: number): string | null => (id === 0 ? null : 'x'));
const sum = huey.task(function sum(list: number[]) {
  return list.length;
});

// The type of a task is that of its function.
is<Task<[num: number], string>>()(countBeans);
is<Task<[], void>>()(beat);

export async function calls(): Promise<void> {
  const res = await countBeans(100);
  is<Result<string>>()(res);
  is<boolean>()(await res.isReady());
  const maybe = await res.get();
  is<string | undefined>()(maybe);
  const value = await res.get({ blocking: true, timeout: Duration.fromMillis(5) });
  is<string>()(value);
  const called = await res({ blocking: true });
  is<string>()(called);
  const found = await (await find(1)).get({ blocking: true });
  is<string | null | undefined>()(found);
  const here = await countBeans.callLocal(1);
  is<string>()(here);
  const mail = await sendMail('me');
  is<Result<{ to: string; length: number }>>()(mail);
  const byId = await huey.result<number>('id', { blocking: true });
  is<number>()(byId);

  // @ts-expect-error -- wrong argument
  await countBeans('100');
  // @ts-expect-error -- missing argument
  await countBeans();
  // @ts-expect-error -- one too many
  await countBeans(1, 2);
  // @ts-expect-error -- wrong argument
  await countBeans.callLocal('1');
  // @ts-expect-error -- unknown option
  await res.get({ block: true });
  // A handle is no promise: awaiting it gives the handle.
  is<Result<string>>()(await Promise.resolve(res));
}

export async function schedules(): Promise<void> {
  const res = await countBeans.schedule({ args: [100], delay: 60, priority: 1, retries: 2, id: 'x' });
  is<Result<string>>()(res);
  await countBeans.schedule({ args: [100], eta: DateTime.now() });
  await countBeans.schedule({ args: [100], eta: '2030-01-01T00:00', convertUtc: false });
  await sendMail.schedule({ args: ['me', 'hi'], eta: new Date() });
  await beat.schedule({ delay: 5 });
  await beat.schedule(60);
  await beat.schedule(new Date());
  await beat.schedule(Duration.fromMillis(5));

  // @ts-expect-error -- args are missing
  await countBeans.schedule({ delay: 5 });
  // @ts-expect-error -- wrong args
  await countBeans.schedule({ args: ['x'], delay: 5 });
  // @ts-expect-error -- neither delay nor eta
  await countBeans.schedule({ args: [1] });
  // @ts-expect-error -- both
  await countBeans.schedule({ args: [1], delay: 5, eta: new Date() });
  // @ts-expect-error -- the shorthand has no arguments
  await countBeans.schedule(60);
  // @ts-expect-error -- unknown option
  await beat.schedule({ delay: 5, priorty: 1 });
}

export async function options(): Promise<void> {
  const bound = countBeans.withOptions({ priority: 5, retries: 1, id: 'beans-7', meta: { tenant: 'a' }, expires: new Date() });
  is<Result<string>>()(await bound(1));
  await bound.withOptions({ delay: 5 })(1);

  // @ts-expect-error -- wrong argument
  await bound('x');
  // @ts-expect-error -- unknown option
  countBeans.withOptions({ retry: 1 });
  // @ts-expect-error -- both
  countBeans.withOptions({ delay: 1, eta: new Date() });
  // @ts-expect-error -- a name belongs to the declaration
  countBeans.withOptions({ name: 'x' });
}

export async function many(): Promise<void> {
  const mapped = await countBeans.map([1, 2, 3]);
  is<Result<string>[]>()(mapped);
  await sendMail.map(['me', tuple('you', 'hi')]);
  await sum.map([[1, 2], [3]]);
  const results = await huey.enqueueMany([countBeans.s(1), sum.s([1])]);
  is<[Result<string>, Result<number>]>()(results);
  const list: Signature<string>[] = [countBeans.s(1)];
  const listed = await huey.enqueueMany(list);
  is<Result<string>[]>()(listed);
  const one = await huey.enqueue(countBeans.withOptions({ delay: 5 }).s(1));
  is<Result<string>>()(one);

  // @ts-expect-error -- wrong items
  await countBeans.map(['1']);
  // @ts-expect-error -- a plain list is one argument
  await sendMail.map([['me', 'hi']]);
  // @ts-expect-error -- wrong argument
  countBeans.s('1');
  // @ts-expect-error -- a task is no signature
  await huey.enqueue(countBeans);
}

export function declarations(): void {
  const tick = huey.periodicTask(crontab({ minute: '*' }), function tick() {
    return 5;
  });
  is<Task<[], undefined>>()(tick);
  huey.periodicTask(crontab('0 * * * *', { zone: 'UTC' }), { catchUp: 60, retries: 1 }, async () => undefined);

  // @ts-expect-error -- nobody gives it arguments
  huey.periodicTask(crontab({}), function withParameter(_n: number) {});
  // @ts-expect-error -- a crontab is made by crontab()
  huey.periodicTask('* * * * *', function text() {});
  // @ts-expect-error -- unknown field
  crontab({ minutes: '*' });
  // @ts-expect-error -- unknown option
  huey.task({ retry_delay: 5 }, function python() {});
  // @ts-expect-error -- wrong type of an option
  huey.task({ retries: '5' }, function text() {});
  // @ts-expect-error -- only periodic tasks catch up
  huey.task({ catchUp: 5 }, function late() {});
  // @ts-expect-error -- no function
  huey.task({ retries: 5 });
  // @ts-expect-error -- unknown option
  createHuey('x', { result: false });
  // @ts-expect-error -- unknown option
  new RedisHuey('x', { hots: 'localhost' });
  new RedisHuey('x', { url: 'redis://localhost', db: 1, storeNone: true });
}
