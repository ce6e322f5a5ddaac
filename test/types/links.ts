/** What fits into a pipeline, a handler, a chord, and what does not. Never run: the type checker is the test. */
import {
  chord,
  createHuey,
  group,
  tuple,
  type ChordResult,
  type Pipeline,
  type Result,
  type ResultGroup,
  type Signature,
} from '../../src/api/index.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** `is<T>()(value)` compiles where the value's type is exactly T. */
declare function is<T>(): <A>(value: A, ...proof: Equal<A, T> extends true ? [] : [never]) => void;

const huey = createHuey('types');
const add = huey.task(function add(a: number, b: number) {
  return a + b;
});
const fib = huey.task(function fib(a: number, b = 1) {
  return tuple(a + b, a);
});
interface State {
  v1?: number;
  v2?: number;
}
const stateful = huey.task(function stateful(state: State = {}) {
  return { v1: (state.v1 ?? 0) + 1, v2: state.v2 ?? 0 };
});
const beat = huey.task(function beat() {});
const text = huey.task(function text(n: number): string {
  return String(n);
});
const find = huey.task(function find(id: number): string | null {
  return id === 0 ? null : 'x';
});
const scale = huey.task(function scale(a: number, b: number, options: { c: number; d?: string }) {
  return a * b * options.c;
});
const sum = huey.task(function sum(list: number[]) {
  return list.length;
});
const pair = huey.task(function pair(_note: string, _list: [number, string], _options?: { x: number }) {
  return true;
});
const note = huey.task(function note(a: string, b?: string) {
  return a + (b ?? '');
});
const many = huey.task(function many(first: string, ...rest: number[]) {
  return [first, ...rest];
});
const when = huey.task(function when() {
  return new Date();
});
const onDate = huey.task(function onDate(date: Date, options?: { zone: string }) {
  return `${date.getTime()} ${options?.zone}`;
});
const onError = huey.task(function onError(_error: Error) {});
const onErrorOf = huey.task(function onErrorOf(_what: string, _error: unknown) {});
const anything = huey.task(function anything(_value: unknown) {});

export async function pipelines(): Promise<void> {
  const adds = add.s(1, 2).pipe(add, 3).pipe(add, 4).pipe(text);
  is<Pipeline<[number, number, number, string]>>()(adds);
  const results = await huey.enqueue(adds);
  is<ResultGroup<[number, number, number, string]>>()(results);
  is<[number, number, number, string]>()(await results.get({ blocking: true }));
  is<Result<number>>()(results[0]);
  is<Result<string>>()(results[3]);
  is<4>()(results.length);
  for await (const res of results.asCompleted({ timeout: 5 })) is<Result<number | string>>()(res);

  // A tuple's elements are arguments; an optional parameter may be given or left.
  await huey.enqueue(fib.s(1).pipe(fib).pipe(fib));
  add.s(1, 2).pipe(fib);
  add.s(1, 2).pipe(fib, 1);
  // Plain objects merge into a trailing plain object, which may bring the rest.
  await huey.enqueue(stateful.s().pipe(stateful).pipe(stateful, { v2: 5 }));
  stateful.s().pipe(anything);
  // Nothing is handed on for undefined and null.
  beat.s().pipe(add, 1, 2);
  find.s(1).pipe(note, 'a');
  // One argument behind the given ones, but before a trailing plain object.
  add.s(1, 2).pipe(scale, 4, { c: 5 });
  add.s(1, 2).pipe(many, 'x', 1, 2);
  find.s(1).pipe(anything);
  when.s().pipe(onDate);
  when.s().pipe(onDate, { zone: 'UTC' });
  // Options for the stage.
  add.s(1, 2).pipe(add.withOptions({ priority: 5, delay: 60 }), 3);
  // A complete call that has room for what is handed on, or gets nothing.
  add.s(1, 2).pipe(fib.s(1));
  beat.s().pipe(add.s(1, 2));

  // @ts-expect-error -- one too many: what is handed on is the second
  add.s(1, 2).pipe(add, 3, 4);
  // @ts-expect-error -- one too few
  add.s(1, 2).pipe(add);
  // @ts-expect-error -- a text for a number
  text.s(1).pipe(add, 1);
  // @ts-expect-error -- wrong argument of its own
  add.s(1, 2).pipe(add, '3');
  // @ts-expect-error -- the options miss what nobody brings
  add.s(1, 2).pipe(scale, 4, { d: 'x' });
  // @ts-expect-error -- nothing is handed on, and something is missing
  beat.s().pipe(text);
  // @ts-expect-error -- may be null, and then nothing is handed on
  find.s(1).pipe(note);
  // @ts-expect-error -- nobody takes the number
  add.s(1, 2).pipe(beat);
  // @ts-expect-error -- a date is no plain object
  when.s().pipe(stateful);
  // @ts-expect-error -- no room for what is handed on
  add.s(1, 2).pipe(add.s(1, 2));
  // @ts-expect-error -- a function is no task
  add.s(1, 2).pipe((n: number) => n);
  // @ts-expect-error -- a tuple of numbers for a text
  fib.s(1).pipe(many);
  // @ts-expect-error -- the last stage counts
  add.s(1, 2).pipe(text).pipe(text);
}

export async function handlers(): Promise<void> {
  is<Signature<number, []>>()(add.s(1, 2).error(onError));
  add.s(1, 2).error(onErrorOf, 'add').error(onError);
  add.s(1, 2).error(anything).error(beat);
  is<Pipeline<[number, string]>>()(add.s(1, 2).pipe(text).error(onError));
  is<Result<number>>()(await huey.enqueue(add.s(1, 2).error(onError)));

  // @ts-expect-error -- a number for an error
  add.s(1, 2).error(text);
  // @ts-expect-error -- no text
  add.s(1, 2).error(onErrorOf);
  // @ts-expect-error -- the error comes by itself
  add.s(1, 2).error(onErrorOf, 'x', new Error('y'));
}

export async function groups(): Promise<void> {
  const results = await huey.enqueue(group([add.s(1, 2), text.s(1).pipe(anything).pipe(add, 1, 2), text.s(4)]));
  is<ResultGroup<[number, number, string]>>()(results);
  is<[number | undefined, number | undefined, string | undefined]>()(await results.get());
  const listed: Signature<number>[] = [add.s(1, 2)];
  is<ResultGroup<number[]>>()(await huey.enqueue(group(listed)));

  const made = await huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], sum));
  is<ChordResult<[number, number], [number]>>()(made);
  is<number>()(await made.get({ blocking: true }));
  is<Result<number>>()(made.callback);
  is<Result<number>>()(made.results[1]);
  await huey.enqueue(chord([add.s(1, 2), text.s(3)], pair, 'note'));
  await huey.enqueue(chord([add.s(1, 2), text.s(3)], pair, 'note', { x: 1 }));
  await huey.enqueue(chord(listed, beat));
  await huey.enqueue(group(listed).pipe(sum));
  await huey.enqueue(chord(listed, sum).pipe(add, 1).pipe(text).error(onError));
  await huey.enqueue(chord([], sum));
  await huey.enqueue(chord([chord(listed, sum), add.s(1, 2).pipe(add, 3)], sum));
  await huey.enqueue(chord(listed, sum.withOptions({ priority: 1 })));

  // @ts-expect-error -- texts for numbers
  chord([text.s(1)], sum);
  // @ts-expect-error -- the note is missing
  chord([add.s(1, 2), text.s(3)], pair);
  // @ts-expect-error -- a group is no member
  chord([group(listed)], sum);
  // @ts-expect-error -- the callback gives a number
  chord(listed, sum).pipe(many);
  // @ts-expect-error -- a task is no member
  group([add]);
}

export async function others(): Promise<void> {
  huey.task({ unique: { key: (to) => to, until: 'started', ttl: 60, onConflict: 'reject' } }, async (to: string, _n: number) => to);
  await add.withOptions({ unique: false })(1, 2);
  huey.task({ concurrencyKey: (to) => `tenant:${to.trim()}`, concurrencyLimit: 2 }, async (to: string, _n: number) => to);
  huey.task({ concurrencyKey: (to, n) => (n.toFixed() === '1' ? undefined : to) }, async (to: string, n: number) => [to, n]);
  await add.withOptions({ concurrencyKey: 'k', concurrencyLimit: 2 })(1, 2);
  await add.withOptions({ concurrencyKey: false })(1, 2);
  const res = await add(1, 2);
  is<Result<number>>()(await res.reschedule({ delay: 5, preservePipeline: false }));

  // @ts-expect-error -- a key is a text
  huey.task({ unique: { key: (n) => n } }, async (n: number) => n);
  // @ts-expect-error -- a key is a text
  huey.task({ concurrencyKey: (n) => n }, async (n: number) => n);
  // @ts-expect-error -- false is for a call
  huey.task({ concurrencyKey: false }, async (n: number) => n);
  // @ts-expect-error -- unknown mode
  huey.task({ unique: { onConflict: 'ignore' } }, async (n: number) => n);
  // @ts-expect-error -- both
  await res.reschedule({ delay: 5, eta: new Date() });
}
