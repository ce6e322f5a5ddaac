/**
 * What a random history of a queue is made of, as plain data, so that fast-check can make it smaller and print it. Small
 * numbers stand for ids, tasks, keys and consumers, so that a history comes back to the same ones again and again.
 */
import fc from 'fast-check';

export const CONSUMERS = 2;
export const IDS = 20;
export const TASKS = 2;
/** A key is its number; so many of it may be in flight. */
export const LIMITS = [1, 2] as const;

/** `soon` has come whenever something is promoted, `far` only where the clock can be moved. */
export type Delay = 'soon' | 'far';

/** What is left out is nothing: 0, no delay, not linked. */
export interface ItemSpec {
  id: number;
  task?: number;
  priority?: number;
  delay?: Delay;
  expiry?: 'past' | 'relative';
  lapses?: number;
  deaths?: number;
  linked?: boolean;
  key?: number;
  unique?: { key: number; onConflict: 'existing' | 'replace' | 'reject' };
  replaces?: number;
  /** Where its id is known, this other id ends; the same `call` twice is a repeat. */
  ifKnown?: { also: number; call?: number };
}

/** The end of a run. `task` counts through all that is in flight, of whichever consumer, and one that is nobody's. */
export interface EndSpec {
  task: number;
  how: 'done' | 'failed' | 'bury' | 'head' | 'tail' | 'later';
  next?: ItemSpec;
  also?: number;
}

export type Command =
  | { do: 'enqueue'; items: ItemSpec[]; repeat: boolean }
  | {
      do: 'step';
      who: number;
      ends: EndSpec[];
      all: boolean;
      chunks: number;
      size: number;
      solo: boolean;
      handOver: boolean;
      repeat: boolean;
    }
  | { do: 'promote'; limit: number }
  | { do: 'release'; who: number; tasks: number[] }
  | { do: 'leave'; who: number }
  | { do: 'die'; who: number; how: 'lease' | 'instance' }
  /** The id counts through all that is anywhere, and on to those that are not. */
  | { do: 'cancel'; id: number; end: boolean }
  | { do: 'withdraw'; id: number }
  | { do: 'revoke'; on: 'id' | 'task'; n: number; once: boolean }
  | { do: 'restore'; on: 'id' | 'task'; n: number }
  | { do: 'retryDead' | 'dropDead' | 'removeResult'; id: number }
  | { do: 'flush' }
  | { do: 'passHour' };

const id = fc.nat(IDS - 1);
/** Each of these properties is there now and then. */
function seldom<Spec extends object>(properties: { [Key in keyof Spec]: fc.Arbitrary<Spec[Key]> }): fc.Arbitrary<Partial<Spec>> {
  const options = Object.fromEntries(
    Object.entries<fc.Arbitrary<unknown>>(properties).map(([name, arbitrary]) => [
      name,
      fc.oneof({ withCrossShrink: true }, { weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary }),
    ]),
  );
  return fc
    .record(options)
    .map((spec) => Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)) as Partial<Spec>);
}

const item: fc.Arbitrary<ItemSpec> = fc
  .tuple(
    id,
    seldom<Required<Omit<ItemSpec, 'id'>>>({
      task: fc.nat(TASKS - 1),
      priority: fc.integer({ min: -2, max: 2 }),
      delay: fc.constantFrom('soon', 'far'),
      expiry: fc.constantFrom('past', 'relative'),
      lapses: fc.nat(3),
      deaths: fc.constantFrom(3, 4),
      linked: fc.constant(true),
      key: fc.nat(LIMITS.length - 1),
      unique: fc.record({ key: fc.nat(1), onConflict: fc.constantFrom('existing', 'replace', 'reject') }),
      replaces: id,
      ifKnown: fc.record({ also: fc.nat(2), call: fc.nat(1) }, { requiredKeys: ['also'] }),
    }),
  )
  .map(([number, rest]) => ({ id: number, ...rest }));

const end: fc.Arbitrary<EndSpec> = fc
  .tuple(
    fc.record({ task: fc.nat(15), how: fc.constantFrom('done', 'failed', 'bury', 'head', 'tail', 'later') }),
    seldom<Required<Pick<EndSpec, 'next' | 'also'>>>({ next: item, also: fc.nat(2) }),
  )
  .map(([spec, rest]) => ({ ...spec, ...rest }));

const sometimes = fc.nat(4).map((n) => n === 4);
const who = fc.nat(CONSUMERS - 1);
const target = { on: fc.constantFrom('id' as const, 'task' as const) };

export const history: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof<{ arbitrary: fc.Arbitrary<Command>; weight: number }[]>(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('enqueue'),
        items: fc.array(item, { minLength: 1, maxLength: 5 }),
        repeat: sometimes,
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant('step'),
        who,
        ends: fc.array(end, { maxLength: 5 }),
        all: sometimes,
        chunks: fc.nat(3),
        size: fc.integer({ min: 1, max: 6 }),
        solo: fc.boolean(),
        handOver: sometimes,
        repeat: sometimes,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('promote'), limit: fc.nat(4) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('release'), who, tasks: fc.array(fc.nat(15), { maxLength: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), who }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('die'), who, how: fc.constantFrom('lease', 'instance') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('cancel'), id, end: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('withdraw'), id }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('revoke'), ...target, n: id, once: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('restore'), ...target, n: id }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('retryDead', 'dropDead', 'removeResult'), id }) },
    { weight: 1, arbitrary: fc.constant({ do: 'flush' }) },
    { weight: 1, arbitrary: fc.constant({ do: 'passHour' }) },
  ),
  { minLength: 1, maxLength: 40, size: 'max' },
);
